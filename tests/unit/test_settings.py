import os
from pathlib import Path

import pytest

from flightdeck.errors import Misconfigured
from flightdeck.settings import load


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("FLIGHTDECK_")]:
        monkeypatch.delenv(name)


def test_an_empty_workspace_has_the_documented_defaults(tmp_path):
    settings = load(workspace=tmp_path)
    protocols = settings.receivers.otlp.protocols
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8765)
    assert (protocols.grpc.port, protocols.http.port) == (4317, 4318)
    assert settings.engine.dsn.get_secret_value() == f"chdb://{tmp_path.resolve()}/.flightdeck/clickhouse"
    assert settings.ledger.db_path == tmp_path / ".flightdeck/flightdeck.db"


FILE_1_3 = """\
api_version: v1
kind: WorkspaceConfig
db_path: data/ledger.db
database_url: {url}
default_environment: staging
diff:
  min_candidate_runs: 7
  min_baseline_runs: 8
  min_low_runs: 2
pricing_catalog_path: .flightdeck/pricing-catalog.yaml
promotion_requires_approval: true
"""


@pytest.mark.contract("C3.17")
def test_the_file_of_1_3_is_read_with_its_meaning(tmp_path):
    (tmp_path / "flightdeck.yaml").write_text(FILE_1_3.format(url="null"))
    settings = load(workspace=tmp_path)
    assert settings.ledger.db_path == tmp_path / "data" / "ledger.db"
    assert (settings.default_environment, settings.promotion_requires_approval) == ("staging", True)
    assert settings.diff.model_dump() == {"min_candidate_runs": 7, "min_baseline_runs": 8, "min_low_runs": 2}
    assert settings.pricing_catalog_path == Path(".flightdeck/pricing-catalog.yaml")
    (tmp_path / "flightdeck.yaml").write_text(FILE_1_3.format(url="postgres://me:secret@db/ledger"))
    url = load(workspace=tmp_path).ledger.database_url
    assert url is not None
    assert url.get_secret_value().endswith("me:secret@db/ledger")
    (tmp_path / "flightdeck.yaml").write_text("")
    empty = load(workspace=tmp_path)
    assert (empty.default_environment, empty.promotion_requires_approval) == ("local", False)
    assert empty.diff.model_dump() == {"min_candidate_runs": 500, "min_baseline_runs": 500, "min_low_runs": 50}


def test_flags_beat_the_environment_which_beats_the_file(tmp_path, monkeypatch):
    (tmp_path / "flightdeck.yaml").write_text("settle: 3\ndefault_environment: file\nserver: {port: 1, host: h}\n")
    monkeypatch.setenv("FLIGHTDECK_SETTLE", "2")
    monkeypatch.setenv("FLIGHTDECK_SERVER__PORT", "2")
    settings = load({"server": {"port": 3}}, workspace=tmp_path)
    assert (settings.settle, settings.default_environment) == (2.0, "file")
    assert (settings.server.port, settings.server.host) == (3, "h")


def test_an_address_the_user_chose_is_told_from_the_default(tmp_path):
    (tmp_path / "flightdeck.yaml").write_text("receivers: {otlp: {protocols: {grpc: {endpoint: '127.0.0.1:4317'}}}}")
    protocols = load(workspace=tmp_path).receivers.otlp.protocols
    assert protocols.explicit("grpc")
    assert not protocols.explicit("http")


def test_a_protocol_can_be_turned_off(tmp_path):
    (tmp_path / "flightdeck.yaml").write_text("receivers: {otlp: {protocols: {grpc: null}}}")
    assert load(workspace=tmp_path).receivers.otlp.protocols.grpc is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("default_enviroment: x", "unknown setting default_enviroment; did you mean default_environment?"),
        ("diff: {min_candidate_run: 3}", "did you mean diff.min_candidate_runs?"),
        ("receivers: {otlp: {protocols: {grp: {}}}}", "did you mean receivers.otlp.protocols.grpc?"),
        ("settle: soon", "settle: "),
        ("receivers: {otlp: {protocols: {grpc: {endpoint: 'x'}}}}", "write host:port"),
        ("[1]", "can't be read: it holds a list; write keys and values"),
        ("hello", "can't be read: it holds a text; write keys and values"),
        ("0: 1", "can't be read: the key 0 is a number, not a text"),
        ("diff: [1]", "diff: needs keys and values of its own, not a list"),
        ("store:", "store: needs keys and values of its own, not nothing"),
        ("a: [", "can't be read"),
    ],
)
def test_a_mistake_in_the_file_is_one_line_that_names_it(tmp_path, text, message):
    (tmp_path / "flightdeck.yaml").write_text(text)
    with pytest.raises(Misconfigured) as caught:
        load(workspace=tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_secrets_are_masked_when_settings_are_printed(tmp_path, monkeypatch):
    monkeypatch.setenv("FLIGHTDECK_LOCAL_API_TOKEN", "tok-secret")
    monkeypatch.setenv("FLIGHTDECK_DATABASE_URL", "postgresql://u:pw-secret@h/d")
    shown = repr(load(workspace=tmp_path))
    assert "tok-secret" not in shown
    assert "pw-secret" not in shown
