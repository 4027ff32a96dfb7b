"""A bundle as a tar archive has the hashes of its folder; what is no bundle is refused by name."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from flightdeck.errors import Invalid, TooLarge
from flightdeck.releases import archive
from flightdeck.releases.archive import load_archive
from flightdeck.releases.bundle import load_bundle

ARTIFACT = b"""\
metadata: {name: support, version: "1.4.0"}
spec:
  agent: {agent_id: support}
  runtime: {provider: openai, model: gpt-4.1-mini}
  prompts: {system_ref: prompts/system.md}
  pricing_reference: {provider: openai, pricing_version: v1}
"""
FILES = {
    "release.yaml": ARTIFACT,
    "prompts/system.md": b"Be kind.\r\n",
    "prompts/logo.png": b"\x00\r\n\xff",
    "a-b/x": b"1",
    "a.b/x": b"2",
    "a/x": b"3",
}


def packed(files: dict[str, bytes], *extra: tarfile.TarInfo, mode: str = "w", form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=form) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in extra:
            tar.addfile(member)
    return out.getvalue()


def special(name: str, kind: bytes, **fields: object) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = kind
    for field, value in fields.items():
        setattr(member, field, value)
    return member


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bundle")
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    (root / ".git").mkdir()
    (root / ".git" / "config").write_bytes(b"x")
    return root


@pytest.mark.parametrize("top", ["", "./", "support/", "./support/"])
@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_an_archive_is_the_folder_it_was_made_of(folder, top, mode, form):
    files = {f"{top}{name}": content for name, content in [*FILES.items(), (".git/config", b"x")]}
    loaded = load_archive(packed(files, special(f"{top}prompts/", tarfile.DIRTYPE), mode=mode, form=form))
    assert loaded == load_bundle(folder)


def test_an_archive_that_tar_makes_of_a_folder_is_that_folder(folder, tmp_path):
    with tarfile.open(tmp_path / "bundle.tgz", "w:gz") as tar:
        tar.add(folder, arcname=".")
    assert load_archive((tmp_path / "bundle.tgz").read_bytes()) == load_bundle(folder)


@pytest.mark.parametrize(
    ("member", "said"),
    [
        (special("../evil", tarfile.REGTYPE), "'../evil' does not name a path within it"),
        (special("a/../../evil", tarfile.REGTYPE), "does not name a path within it"),
        (special("/etc/passwd", tarfile.REGTYPE), "'/etc/passwd' does not name a path within it"),
        (special("..\\evil", tarfile.REGTYPE), "does not name a path within it"),
        (special("link", tarfile.SYMTYPE, linkname="/etc/passwd"), "'link' is a link"),
        (special("link", tarfile.LNKTYPE, linkname="release.yaml"), "'link' is a link"),
        (special("pipe", tarfile.FIFOTYPE), "'pipe' is neither a file nor a folder"),
        (special("disk", tarfile.BLKTYPE, devmajor=8), "'disk' is neither a file nor a folder"),
        (special("release.yaml", tarfile.REGTYPE), "holds 'release.yaml' twice"),
        (special("./release.yaml", tarfile.REGTYPE), "holds 'release.yaml' twice"),
        (special("caf\udce9", tarfile.REGTYPE), "no UTF-8"),
    ],
)
def test_what_is_no_file_within_the_bundle_is_refused_by_name(member, said):
    with pytest.raises(Invalid, match=said.replace("\\", "\\\\")):
        load_archive(packed(FILES, member, form=tarfile.GNU_FORMAT))


@pytest.mark.parametrize(
    "files", [{}, {"x": b"1"}, {"one/release.yaml": ARTIFACT, "two/release.yaml": ARTIFACT}, {"a/b/release.yaml": b""}]
)
def test_an_archive_without_one_artifact_says_where_it_belongs(files):
    with pytest.raises(Invalid, match=r"no release\.yaml, neither at its top nor in its only folder"):
        load_archive(packed(files))


def test_a_bad_artifact_in_an_archive_is_told_as_that_of_a_folder():
    with pytest.raises(Invalid, match=r"^release\.yaml: spec: Field required$"):
        load_archive(packed({"release.yaml": b"metadata: {name: a, version: '1'}"}))


@pytest.mark.parametrize("kept", [0, 1, 100, 512, 600, 1024, 3 * 1024])
def test_an_archive_that_is_cut_off_is_refused(kept):
    """At the end of a block, too, where what is left looks like an archive of fewer files."""
    whole = packed(FILES)
    with pytest.raises(Invalid, match=r"no tar archive that can be read|is cut off"):
        load_archive(whole[:kept])
    with pytest.raises(Invalid, match=r"no tar archive that can be read|is cut off"):
        load_archive(gzip.compress(whole)[: max(1, kept // 16)])


def test_a_gzip_bomb_stops_at_the_bound():
    """60 MiB of zeros in 60 kB."""
    bomb = gzip.compress(packed({"release.yaml": ARTIFACT, "zeros.bin": bytes(60 * 1024 * 1024)}), 9)
    assert len(bomb) < 100_000
    with pytest.raises(TooLarge, match="more than 32 MiB"):
        load_archive(bomb)


def test_zeros_after_the_end_of_the_archive_do_not_pass_the_bound():
    with pytest.raises(TooLarge, match="more than 32 MiB"):
        load_archive(gzip.compress(packed(FILES, special("big", tarfile.REGTYPE, size=2**40)), 9))


def test_members_names_and_depth_are_bounded(monkeypatch):
    monkeypatch.setattr(archive, "MAX_MEMBERS", len(FILES))
    load_archive(packed(FILES))
    with pytest.raises(TooLarge, match=f"more than {len(FILES)} members"):
        load_archive(packed({**FILES, "one more": b""}))
    with pytest.raises(TooLarge, match="more than 32 folders deep"):
        load_archive(packed({"/".join(["d"] * 33): b"", "release.yaml": ARTIFACT}))
    with pytest.raises(TooLarge, match="more than 1024 characters"):
        load_archive(packed({"n" * 1025: b"", "release.yaml": ARTIFACT}))
