"""A release's bundle as a tar archive: read in memory, never unpacked to disk.

It has the hashes that the folder has, so that who registers by archive can verify by folder. What a folder's hashes
leave out silently (links, devices) is refused here: an archive is made on purpose.
"""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Iterator
from gzip import GzipFile
from pathlib import PurePosixPath
from typing import BinaryIO

from flightdeck.errors import Invalid, TooLarge
from flightdeck.releases.bundle import ARTIFACT_FILE, Bundle, artifact_of, as_hashed, bundle_of, hashed, skipped

MAX_UNPACKED = 32 * 1024 * 1024
"""Bytes of an archive after decompression, headers included."""
MAX_MEMBERS = 10_000
MAX_DEPTH = 32
MAX_NAME = 1_024

_GZIP = b"\x1f\x8b"


def load_archive(packed: bytes) -> Bundle:
    """Reads the bundle in a tar archive, plain or compressed by gzip.

    ``release.yaml`` lies at the top, or in the only folder at the top, which then is the bundle.

    Raises:
        Invalid: it is no archive, holds something else than files and folders, or names a path outside of it; or the
            artifact is no YAML or lacks something.
        TooLarge: over a bound.
    """
    files = _at_top(dict(_files(packed)))
    if ARTIFACT_FILE not in files:
        raise Invalid(f"The archive holds no {ARTIFACT_FILE}, neither at its top nor in its only folder.")
    artifact = artifact_of(files[ARTIFACT_FILE], ARTIFACT_FILE)
    return bundle_of(artifact, *hashed((name, [as_hashed(name, files[name])]) for name in sorted(files)))


def _at_top(files: dict[str, bytes]) -> dict[str, bytes]:
    """The files of the bundle, under their names within it."""
    if ARTIFACT_FILE in files:
        return files
    tops = {name.partition("/")[0] for name in files}
    if len(tops) != 1:
        return files
    return {name.partition("/")[2]: content for name, content in files.items() if "/" in name}


def _files(packed: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file that belongs to the bundle."""
    raw = io.BytesIO(packed)
    source: BinaryIO = GzipFile(fileobj=raw) if packed.startswith(_GZIP) else raw  # type: ignore[assignment]
    bounded = _Bounded(source)
    seen: set[str] = set()
    try:
        # "r|": one pass, forwards only.
        with tarfile.open(fileobj=bounded, mode="r|", errors="surrogateescape") as archive:
            for count, member in enumerate(archive, start=1):
                if count > MAX_MEMBERS:
                    raise TooLarge(f"The archive has more than {MAX_MEMBERS} members.", hint=_HINT)
                name = _name(member)
                content = archive.extractfile(member) if _is_file(member) else None
                if content is None or skipped(name):
                    continue
                if name in seen:
                    raise Invalid(f"The archive holds {name!r} twice.")
                seen.add(name)
                yield name, content.read()
        if bounded.exhausted:
            raise Invalid("The archive is cut off: it lacks the two blocks of zeros that end every archive.")
    except (tarfile.TarError, EOFError, OSError, zlib.error, ValueError, OverflowError) as error:
        raise Invalid(f"The body is no tar archive that can be read: {error}.") from error


_HINT = "Is it the release's own folder?"


def _is_file(member: tarfile.TarInfo) -> bool:
    """Whether it is a file; a folder is none. Anything else is refused."""
    if member.isdir():
        return False
    if not member.isreg() or member.issparse():
        kind = "a link" if member.issym() or member.islnk() else "neither a file nor a folder"
        raise Invalid(f"The archive's {_shown(member)} is {kind}: pack the file itself, or leave it out.")
    if member.size > MAX_UNPACKED:
        raise _too_large()
    return True


def _name(member: tarfile.TarInfo) -> str:
    """The path within the archive, checked."""
    if len(member.name) > MAX_NAME:
        raise TooLarge(f"A name in the archive has more than {MAX_NAME} characters.")
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name or "\0" in member.name:
        raise Invalid(f"The archive's {_shown(member)} does not name a path within it.")
    if len(path.parts) > MAX_DEPTH:
        raise TooLarge(f"A path in the archive is more than {MAX_DEPTH} folders deep.")
    return str(path)


def _shown(member: tarfile.TarInfo) -> str:
    return repr(member.name[:100])


def _too_large() -> TooLarge:
    return TooLarge(f"The archive holds more than {MAX_UNPACKED // 1024**2} MiB.", hint=_HINT)


class _Bounded(io.RawIOBase):
    """Reads from a source until more came out of it than an archive may hold.

    ``exhausted``: somebody wanted more than there was.
    """

    def __init__(self, source: BinaryIO) -> None:
        super().__init__()
        self._source = source
        self._left = MAX_UNPACKED
        self.exhausted = False

    def read(self, size: int = -1) -> bytes:
        """Some bytes, at most ``size``."""
        chunk = self._source.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(chunk)
        if self._left < 0:
            raise _too_large()
        self.exhausted |= not chunk
        return chunk
