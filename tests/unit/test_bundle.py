import base64
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flightdeck.errors import Invalid, NotFound, TooLarge
from flightdeck.releases import bundle
from flightdeck.releases.bundle import digest_v2, hashes, load_bundle

VECTORS = json.loads((Path(__file__).parents[1] / "golden/checksum_vectors.json").read_text())

ARTIFACT = """\
api_version: v1
kind: Release
metadata: {name: support, version: "1.4.0"}
spec:
  agent: {agent_id: support}
  runtime: {provider: openai, model: gpt-4.1-mini}
  prompts: {system_ref: prompts/system.md}
  pricing_reference: {provider: openai, pricing_version: v1}
"""


def checksum(path: Path) -> str:
    return hashes(path)[0]


def written(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.fixture
def folder(tmp_path):
    return written(tmp_path / "bundle", {"release.yaml": ARTIFACT.encode(), "prompts/system.md": b"Be kind.\n"})


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
@pytest.mark.contract("C3.12")
def test_checksums_are_those_of_1_3(tmp_path, vector):
    written(tmp_path, {name: base64.b64decode(content) for name, content in vector["files"].items()})
    path = tmp_path / vector["path"] if vector["mode"] == "file" else tmp_path
    assert checksum(path) == vector["sha256"]


@pytest.mark.contract("C3.08")
def test_a_bundle_is_its_artifact_with_the_nulls_of_1_3_and_its_hashes(folder):
    loaded = load_bundle(folder)
    assert loaded.artifact["metadata"] == {
        "name": "support",
        "version": "1.4.0",
        "description": None,
        "created_by": None,
        "created_at": None,
    }
    assert loaded.artifact["spec"]["tools"] is None
    assert loaded.checksum == checksum(folder)
    assert [file.path for file in loaded.files] == ["prompts/system.md", "release.yaml"]
    assert json.loads(json.dumps(loaded.artifact)) == loaded.artifact


@pytest.mark.contract("C1.11")
def test_a_single_file_is_a_bundle_of_its_own(folder):
    loaded = load_bundle(folder / "release.yaml")
    assert [file.path for file in loaded.files] == ["release.yaml"]
    assert loaded.checksum != load_bundle(folder).checksum


def test_digest_v2_is_the_documented_hash(folder):
    frames = b"flightdeck bundle 2\n"
    for name, content in (("prompts/system.md", b"Be kind.\n"), ("release.yaml", ARTIFACT.encode())):
        frames += len(name).to_bytes(8, "big") + name.encode()
        frames += len(content).to_bytes(8, "big") + hashlib.sha256(content).digest()
    assert load_bundle(folder).digest_v2 == hashlib.sha256(frames).hexdigest()


def test_bundles_that_only_nul_bytes_tell_apart_share_a_checksum_but_no_digest(tmp_path):
    one = written(tmp_path / "one", {"a": b"x\0b\0y"})
    two = written(tmp_path / "two", {"a": b"x", "b": b"y"})
    assert checksum(one) == checksum(two)
    digests = [digest_v2(bundle._hashed(each)[1]) for each in (one, two)]
    assert digests[0] != digests[1]


def test_line_ends_of_text_do_not_change_a_digest(tmp_path):
    digests = {
        digest_v2(bundle._hashed(written(tmp_path / name, {"a.md": content}))[1])
        for name, content in (("unix", b"a\nb\n"), ("windows", b"a\r\nb\r\n"))
    }
    assert len(digests) == 1


@pytest.mark.contract("C3.12")
def test_links_and_other_special_files_are_not_part_of_a_bundle(folder, tmp_path):
    before = load_bundle(folder)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/secret.md").write_text("x")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "link.md").symlink_to(tmp_path / "elsewhere/secret.md")
    os.mkfifo(folder / "pipe.md")
    assert load_bundle(folder) == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [", "is no YAML"),
        (b"- 1", "holds no mapping"),
        (b"\xff\xfe\x00", "is no YAML"),
        (b"[" * 5_000, "is no YAML"),
        (b"x: 2026-99-99", "is no YAML"),
        (ARTIFACT.replace('"1.4.0"', "1.4").encode(), "metadata.version: Input should be a valid string"),
        (ARTIFACT.replace("  agent: {agent_id: support}\n", "").encode(), "spec.agent: Field required"),
    ],
)
def test_a_bad_artifact_is_one_line_that_names_file_and_fault(tmp_path, content, message):
    (tmp_path / "release.yaml").write_bytes(content)
    with pytest.raises(Invalid) as caught:
        load_bundle(tmp_path)
    assert message in str(caught.value)
    assert str(tmp_path / "release.yaml") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_artifact_is_named(tmp_path):
    with pytest.raises(NotFound, match=r"Release artifact not found: .*release\.yaml"):
        load_bundle(tmp_path)


def test_a_bundle_has_bounds(folder, monkeypatch):
    monkeypatch.setattr(bundle, "MAX_FILES", 1)
    with pytest.raises(TooLarge, match="more than 1 files"):
        load_bundle(folder)
    monkeypatch.setattr(bundle, "MAX_FILES", 10)
    monkeypatch.setattr(bundle, "MAX_BYTES", 5)
    with pytest.raises(TooLarge):
        checksum(written(folder, {"data.bin": b"123456"}))
    with pytest.raises(TooLarge):
        checksum(written(folder, {"data.txt": b"123456"}))
    (folder / "release.yaml").write_bytes(b"#" * (bundle.MAX_ARTIFACT_BYTES + 1))
    with pytest.raises(TooLarge, match="1024 KiB"):
        load_bundle(folder)


def test_a_file_name_that_is_no_utf_8_is_refused(folder):
    try:
        (folder / os.fsdecode(b"\xff.txt")).write_text("x")
    except OSError:
        pytest.skip("this file system stores UTF-8 names only")
    with pytest.raises(Invalid, match="is no UTF-8"):
        load_bundle(folder)


def test_hashing_needs_the_light_install_only():
    code = (
        "import sys, flightdeck.releases.bundle; "
        "print([name for name in ('sqlalchemy', 'alembic', 'genai_prices', 'numpy', 'clickhouse_connect', 'fastapi') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
