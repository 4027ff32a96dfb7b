"""A release's bundle: the files on disk, and the two hashes that identify them. Needs the light install only.

Files are hashed, never stored. Text is hashed with its line ends as LF, so that a checkout on Windows is the same
release; the rules, and ``checksum`` itself, are those of 1.3 (CONTRACT, section 3).
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from pydantic import ValidationError

from flightdeck.errors import Invalid, NotFound, TooLarge
from flightdeck.models import ReleaseArtifact
from flightdeck.validation import problems

ARTIFACT_FILE = "release.yaml"
MAX_ARTIFACT_BYTES = 1024 * 1024
MAX_FILES = 10_000
MAX_BYTES = 1024 * 1024 * 1024
"""Of all files of a bundle together."""

_SKIPPED = frozenset({".git", "__pycache__"})
_TEXT = frozenset({".md", ".yaml", ".yml", ".txt", ".json", ".csv", ".toml"})
_CHUNK = 1024 * 1024
_DIGEST_V2 = b"flightdeck bundle 2\n"


@dataclass(frozen=True, slots=True)
class BundleFile:
    """One file: its path within the bundle (POSIX), and size and SHA-256 of its content as it is hashed."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle, read: the artifact (JSON, with 1.3's nulls) and the hashes over all files."""

    artifact: dict[str, Any]
    checksum: str
    digest_v2: str
    files: tuple[BundleFile, ...]


def load_bundle(path: Path) -> Bundle:
    """Reads the bundle at ``path``: a folder with ``release.yaml``, or a single YAML file.

    Raises:
        NotFound: there is no such file.
        Invalid: the artifact is no YAML or lacks something, or a file can't be read.
        TooLarge: over a bound.
    """
    return bundle_of(_artifact_at(path / ARTIFACT_FILE if path.is_dir() else path), *_hashed(path))


def bundle_of(artifact: ReleaseArtifact, total: str, files: Sequence[BundleFile]) -> Bundle:
    """A bundle of an artifact, the checksum and the hashed files."""
    return Bundle(artifact.model_dump(mode="json"), total, digest_v2(files), tuple(files))


def missing_refs(bundle: Bundle) -> list[tuple[str, str]]:
    """The references of the artifact to files that are not in the bundle, each with the name of its field.

    A warning, no error: 1.3 takes such a release. Their content is in neither hash.
    """
    spec = bundle.artifact["spec"]
    prompts, tools = spec["prompts"], spec.get("tools") or {}
    named = [("prompts.system_ref", prompts["system_ref"])]
    named += [("prompts.template_refs", ref) for ref in prompts["template_refs"]]
    named += [("tools.manifest_ref", ref) for ref in [tools.get("manifest_ref")] if ref is not None]
    inside = {file.path for file in bundle.files}
    return [(field, ref) for field, ref in named if posixpath.normpath(ref) not in inside]


def hashes(path: Path) -> tuple[str, str]:
    """Both hashes over the files at ``path``: 1.3's checksum, and ``digest_v2``; lower-case hex.

    The checksum is the SHA-256 of all files in the order of their paths (by code point), of each: the path, NUL, the
    content, NUL. Where content may hold NULs two different bundles can have the same checksum; ``digest_v2`` tells them
    apart (difference D12).

    Raises:
        Invalid: a file can't be read.
        TooLarge: over a bound.
    """
    total, files = _hashed(path)
    return total, digest_v2(files)


def digest_v2(files: Iterable[BundleFile]) -> str:
    """The hash that frames every length: SHA-256, lower-case hex, over a list of files.

    After a fixed line come, of each file in the order of paths: the length of the path (8 bytes, big-endian), the
    path, the size of the content (8 bytes, big-endian) and the SHA-256 of the content (32 bytes).
    """
    digest = hashlib.sha256(_DIGEST_V2)
    for file in sorted(files, key=lambda each: each.path):
        name = file.path.encode()
        digest.update(len(name).to_bytes(8, "big") + name)
        digest.update(file.size.to_bytes(8, "big") + bytes.fromhex(file.sha256))
    return digest.hexdigest()


def hashed(contents: Iterable[tuple[str, Iterable[bytes]]]) -> tuple[str, list[BundleFile]]:
    """The checksum, and every file with its own hash, in one pass.

    Args:
        contents: name and content of each file, the content in pieces and as it is hashed, in the order of names.

    Raises:
        Invalid: a name is no UTF-8.
        TooLarge: over a bound.
    """
    total = hashlib.sha256()
    files: list[BundleFile] = []
    left = MAX_BYTES
    for name, content in contents:
        own, size = hashlib.sha256(), 0
        try:
            total.update(name.encode() + b"\0")
        except UnicodeEncodeError as error:
            raise Invalid(f"A file's name is no UTF-8: {name!r}.") from error
        for chunk in content:
            total.update(chunk)
            own.update(chunk)
            size += len(chunk)
            left -= len(chunk)
            if left < 0:
                raise _too_large()
        total.update(b"\0")
        files.append(BundleFile(name, size, own.hexdigest()))
    return total.hexdigest(), files


def skipped(name: str) -> bool:
    """Whether a path within a bundle is left out of it: what git and Python keep beside the files."""
    return not _SKIPPED.isdisjoint(PurePosixPath(name).parts)


def as_hashed(name: str, raw: bytes) -> bytes:
    """A file's content as it is hashed: of text, with LF as line ends."""
    if not _is_text(name):
        return raw
    try:
        raw.decode()
    except UnicodeDecodeError:
        return raw
    return raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _is_text(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in _TEXT


def _hashed(root: Path) -> tuple[str, list[BundleFile]]:
    """The same of the files at a path."""
    try:
        return hashed((name, _content(path)) for name, path in sorted(_paths(root)))
    except OSError as error:
        raise Invalid(f"{error.filename or root} can't be read: {error.strerror}.") from error


def _paths(root: Path) -> Iterator[tuple[str, Path]]:
    """Name within the bundle and path of all regular files, in any order; symbolic links are not followed."""
    if not root.is_dir():
        yield root.name, root
        return
    count = 0
    for folder, folders, names in os.walk(root, onerror=_raise):
        folders[:] = [name for name in folders if name not in _SKIPPED]
        inner = PurePosixPath(Path(folder).relative_to(root))
        for name in names:
            path = Path(folder, name)
            if name in _SKIPPED or not stat.S_ISREG(path.lstat().st_mode):
                continue
            count += 1
            if count > MAX_FILES:
                raise TooLarge(f"{root} holds more than {MAX_FILES} files.", hint="Is it the release's own folder?")
            yield str(inner / name), path


def _raise(error: OSError) -> None:
    raise error


def _content(path: Path) -> Iterator[bytes]:
    """A file's content as it is hashed."""
    with path.open("rb") as file:
        if not _is_text(path.name):
            while chunk := file.read(_CHUNK):
                yield chunk
            return
        raw = file.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise _too_large()
    yield as_hashed(path.name, raw)


def _too_large() -> TooLarge:
    return TooLarge(f"The bundle is larger than {MAX_BYTES // 1024**2} MiB.", hint="Is it the release's own folder?")


def artifact_of(raw: bytes, where: str) -> ReleaseArtifact:
    """The artifact in the bytes of a ``release.yaml``; ``where`` names it in errors.

    Raises:
        Invalid: it is no YAML, or lacks something.
        TooLarge: over a bound.
    """
    if len(raw) > MAX_ARTIFACT_BYTES:
        raise TooLarge(f"{where} is larger than {MAX_ARTIFACT_BYTES // 1024} KiB.")
    try:
        document = yaml.safe_load(raw)
        if not isinstance(document, dict):
            raise Invalid(f"{where} holds no mapping of keys to values.")
        return ReleaseArtifact.model_validate(document)
    except ValidationError as error:
        raise Invalid(f"{where}: {'; '.join(problems(error, ReleaseArtifact))}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Invalid(f"{where} is no YAML: {' '.join(str(error).split())}") from error


def _artifact_at(path: Path) -> ReleaseArtifact:
    try:
        with path.open("rb") as file:
            return artifact_of(file.read(MAX_ARTIFACT_BYTES + 1), str(path))
    except FileNotFoundError as error:
        raise NotFound(f"Release artifact not found: {path}") from error
    except OSError as error:
        raise Invalid(f"{path} can't be read: {error.strerror}.") from error
