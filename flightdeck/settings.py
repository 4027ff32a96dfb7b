"""Settings: flags, then ``FLIGHTDECK_*``, then ``flightdeck.yaml``, then defaults.

Read once, at the edge; every part gets its slice, never the whole. In the environment nested keys are joined by two
underscores: ``receivers.otlp.protocols.grpc.endpoint`` is ``FLIGHTDECK_RECEIVERS__OTLP__PROTOCOLS__GRPC__ENDPOINT``.
The receiver keys are the OpenTelemetry Collector's.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    YamlConfigSettingsSource,
)

from flightdeck.errors import Misconfigured
from flightdeck.models import DiffConfig
from flightdeck.validation import kind_of, problems

CONFIG_FILE = "flightdeck.yaml"
WORKSPACE_FOLDER = ".flightdeck"
MIB = 1024 * 1024


def _endpoint(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:
        raise ValueError(f"{text!r} is no address; write host:port, like 127.0.0.1:4317 (port 0 takes any free one)")
    return text


Endpoint = Annotated[str, AfterValidator(_endpoint)]


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is no address or network; write 10.0.0.7 or 10.0.0.0/24") from error


Network = Annotated[str, AfterValidator(_network)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TlsSettings(_Section):
    """Certificate and key (PEM files) of a receiver."""

    cert_file: Path
    key_file: Path


class ProtocolSettings(_Section):
    """One OTLP listener."""

    endpoint: Endpoint
    """Where to listen, ``host:port``; port 0 takes any free one."""
    max_recv_msg_size_mib: Annotated[int, Field(ge=1, le=1024)] = 64
    """Largest request in MiB, before and after decompression."""
    tls: TlsSettings | None = None
    """Certificate and key; null listens without TLS."""

    @property
    def host(self) -> str:
        """The address without port and brackets."""
        return self.endpoint.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """0 means any free port."""
        return int(self.endpoint.rpartition(":")[2])

    @property
    def max_bytes(self) -> int:
        """The bound on a request, before and after decompression."""
        return self.max_recv_msg_size_mib * MIB


class GrpcSettings(ProtocolSettings):
    """OTLP over gRPC."""

    endpoint: Endpoint = "127.0.0.1:4317"
    """Where to listen for OTLP/gRPC, ``host:port``; port 0 takes any free one."""


class HttpSettings(ProtocolSettings):
    """OTLP over HTTP."""

    endpoint: Endpoint = "127.0.0.1:4318"
    """Where to listen for OTLP/HTTP, ``host:port``; port 0 takes any free one."""


class ProtocolsSettings(_Section):
    """The OTLP listeners; null turns one off."""

    grpc: GrpcSettings | None = GrpcSettings()
    http: HttpSettings | None = HttpSettings()

    def explicit(self, protocol: Literal["grpc", "http"]) -> bool:
        """Whether the user chose this listener's address: then a taken port is an error, else a warning."""
        section = getattr(self, protocol)
        return protocol in self.model_fields_set and section is not None and "endpoint" in section.model_fields_set


class OtlpSettings(_Section):
    """The OTLP receiver."""

    protocols: ProtocolsSettings = ProtocolsSettings()


class ReceiversSettings(_Section):
    """What takes spans in."""

    otlp: OtlpSettings = OtlpSettings()


class BatchSettings(_Section):
    """How requests are gathered into one insert, and how many may wait before senders are told to slow down."""

    wait_ms: Annotated[int, Field(ge=0, le=10_000)] = 10
    """Milliseconds that a batch waits for senders likely to come; up to five times as long behind a slow one."""
    max_bytes: Annotated[int, Field(ge=MIB)] = 64 * MIB
    """Largest batch, in bytes."""
    max_queued_bytes: Annotated[int, Field(ge=MIB)] = 128 * MIB
    """Bytes that may wait; senders beyond are told to come back later."""
    max_queued_requests: Annotated[int, Field(ge=1)] = 10_000
    """Requests that may wait; senders beyond are told to come back later."""


class StoreSettings(_Section):
    """Where spans and runs are kept."""

    dsn: SecretStr | None = None
    """``chdb:///path`` (embedded) or ``clickhouse://user:password@host:port/database``; null: embedded, here."""
    max_memory_mib: Annotated[int, Field(ge=256)] = 700
    """Memory bound of the embedded engine, in MiB; a served ClickHouse has its own bounds."""
    span_retention_days: Annotated[int, Field(ge=2, le=3650)] = 30
    """Days that spans are kept; runs are kept for good."""


class LedgerSettings(_Section):
    """Where releases, prices, policies and decisions are kept: a SQLite file, or PostgreSQL by ``database_url``."""

    db_path: Path = Path(WORKSPACE_FOLDER) / "flightdeck.db"
    database_url: SecretStr | None = None


class ServerSettings(_Section):
    """The API and the page."""

    host: str = "127.0.0.1"
    """Address to listen on; anything but loopback wants a token."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 8765
    """Port to listen on; 0 takes any free one."""
    hosts: tuple[str, ...] = ()
    """Names that browsers may use for this server beside localhost, while no token is set."""
    trusted_proxies: tuple[Network, ...] = ()
    """Addresses or networks of proxies that may say who the actor is (X-FlightDeck-Actor, X-Forwarded-User)."""


class WebhookSettings(_Section):
    """How webhooks are told of decisions."""

    private_addresses: bool = True
    """Whether webhooks may go to loopback and private addresses; link-local and metadata addresses never."""


@dataclass(frozen=True, slots=True)
class AssemblySettings:
    """When spans become runs: rounds every ``every_s`` or ``max_spans``, unclosed traces after ``settle_s``."""

    settle_s: float = 60.0
    every_s: float = 1.0
    max_spans: int = 50_000


class _File(YamlConfigSettingsSource):
    """The workspace's file, which holds keys and values."""

    def _read_file(self, file_path: Path | Traversable) -> dict[str, Any]:
        content: object = super()._read_file(file_path)
        if not isinstance(content, dict):
            raise TypeError(f"it holds {kind_of(content)}; write keys and values, like `default_environment: local`")
        for key in content:
            if not isinstance(key, str):
                raise TypeError(f"the key {key!r} is {kind_of(key)}, not a text")
        return content


class Settings(BaseSettings):
    """A workspace's settings. Paths resolve against ``workspace``, the folder of ``flightdeck.yaml``."""

    model_config = SettingsConfigDict(
        env_prefix="FLIGHTDECK_",
        env_nested_delimiter="__",
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
    )

    api_version: Literal["v1"] = "v1"
    """Version of this file's format."""
    kind: Literal["WorkspaceConfig"] = "WorkspaceConfig"
    """What this file is."""
    workspace: Path = Path()
    """The folder that relative paths start from."""
    db_path: Path = LedgerSettings().db_path
    """The ledger's SQLite file."""
    database_url: SecretStr | None = None
    """PostgreSQL for the ledger, ``postgresql://user:password@host/database``; null uses ``db_path``."""
    default_environment: str = "local"
    """Environment of runs and questions that name none."""
    diff: DiffConfig = DiffConfig()
    """How many runs a diff needs, where the policy does not say."""
    pricing_catalog_path: Path | None = None
    """A pricing catalog that makes price tables comparable."""
    promotion_requires_approval: bool = False
    """Whether a promotion needs a request and a confirmation."""
    promotion_four_eyes: bool = False
    """Whether who confirms must be somebody else than who requested; needs promotion_requires_approval."""
    rollback_requires_policy: bool = False
    """Whether a rollback must pass the policy even if the release was live before."""
    local_api_token: SecretStr = SecretStr("")
    """Bearer token for reads and writes; without one only this machine may write."""
    server: ServerSettings = ServerSettings()
    webhooks: WebhookSettings = WebhookSettings()
    receivers: ReceiversSettings = ReceiversSettings()
    batch: BatchSettings = BatchSettings()
    store: StoreSettings = StoreSettings()
    settle: Annotated[float, Field(ge=0, le=3600)] = 60.0
    """Seconds after its last span that an unclosed trace is taken as it is."""
    tenant_keys: tuple[str, ...] = ()
    """Attributes of yours that name the tenant, in order, beside the standard ones."""
    task_keys: tuple[str, ...] = ()
    """Attributes of yours that name the task, in order, beside the standard ones."""

    @model_validator(mode="after")
    def _four_eyes_see_requests(self) -> Self:
        if self.promotion_four_eyes and not self.promotion_requires_approval:
            raise ValueError("promotion_four_eyes needs promotion_requires_approval: true")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, environment, then the workspace's file."""
        del dotenv_settings, file_secret_settings
        folder = init_settings().get("workspace", Path())
        return init_settings, env_settings, _File(settings_cls, yaml_file=folder / CONFIG_FILE)

    @property
    def ledger(self) -> LedgerSettings:
        """The ledger's slice, with its path made absolute."""
        return LedgerSettings(db_path=self.workspace / self.db_path, database_url=self.database_url)

    @property
    def engine(self) -> StoreSettings:
        """The store's slice, with the embedded default filled in."""
        if self.store.dsn is not None:
            return self.store
        home = (self.workspace / WORKSPACE_FOLDER / "clickhouse").resolve()
        return self.store.model_copy(update={"dsn": SecretStr(f"chdb://{home}")})

    def otlp_host(self, protocol: Literal["grpc", "http"]) -> str:
        """Where an OTLP receiver listens: at its own address if one was chosen, else where the API does."""
        protocols = self.receivers.otlp.protocols
        section = protocols.grpc if protocol == "grpc" else protocols.http
        return section.host if section is not None and protocols.explicit(protocol) else self.server.host

    @property
    def assembly(self) -> AssemblySettings:
        """The assembler's slice."""
        return AssemblySettings(settle_s=self.settle)


def load(overrides: Mapping[str, Any] | None = None, *, workspace: Path | None = None) -> Settings:
    """Reads the settings of a workspace (``FLIGHTDECK_WORKSPACE``, else the current folder).

    Args:
        overrides: what flags say, nested like the file; wins over everything.
        workspace: the folder with ``flightdeck.yaml``; the file may be missing.

    Raises:
        Misconfigured: an unknown key (the nearest right one is named), a bad value, or a file that is no YAML mapping.
    """
    folder = workspace or Path(os.environ.get("FLIGHTDECK_WORKSPACE") or ".")
    try:
        return Settings(**{**(overrides or {}), "workspace": folder})
    except ValidationError as error:
        raise Misconfigured("; ".join(problems(error, Settings, "setting"))) from error
    except (yaml.YAMLError, SettingsError, TypeError, ValueError, OSError) as error:
        what = " ".join(str(error).split())
        raise Misconfigured(f"{folder / CONFIG_FILE} can't be read: {what}") from error
