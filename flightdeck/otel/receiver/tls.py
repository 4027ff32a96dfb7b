"""Whether a certificate and its key can be used, asked before a listener is: neither gRPC nor ssl names the file."""

from __future__ import annotations

import ssl

from flightdeck.errors import Misconfigured
from flightdeck.settings import TlsSettings


def check(pair: TlsSettings, listener: str) -> None:
    """Passes or raises Misconfigured, which names the files and the listener ("OTLP/HTTP")."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pair.cert_file, pair.key_file)
    except OSError as error:  # ssl's errors are OSErrors
        raise Misconfigured(
            f"{listener} can't use the certificate {pair.cert_file} with the key {pair.key_file}: {error}.",
            hint="Both must be PEM files that this process may read, and belong together.",
        ) from error
