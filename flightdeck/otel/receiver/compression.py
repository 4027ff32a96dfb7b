"""Decompression of HTTP bodies that stops at a bound: a small body can't become a large one."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from typing import Any

from flightdeck.errors import Invalid, TooLarge
from flightdeck.otel.receiver.status import Unsupported

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# Each member costs a copy of what follows it, so many small ones would cost the square of the body.
MAX_MEMBERS = 64
# zstd keeps a window of what it has written; 8 MiB is what RFC 8878 asks every decoder to offer.
ZSTD_OPTIONS: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 23}


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """The content of a body under an HTTP content coding ("" and ``identity`` are none).

    Raises:
        Unsupported: a coding that is not read here.
        Invalid: the body is not in that coding, or ends early.
        TooLarge: the content has more than ``limit`` bytes; no more than that is ever made.
    """
    if encoding in {"", "identity"}:
        return body
    decoder = _DECODERS.get(encoding)
    if decoder is None:
        raise Unsupported(f"Content-Encoding {encoding[:40]!r} is not supported.", hint=f"Use one of {CODINGS}.")
    try:
        content = decoder(body, limit)
    except (zlib.error, zstd.ZstdError, EOFError) as error:
        raise Invalid(f"The body is no {encoding}: {error}.") from error
    if len(content) > limit:
        raise too_large(limit, "decompressed body")
    return content


def too_large(limit: int, what: str = "body") -> TooLarge:
    """The error for a body over the bound."""
    return TooLarge(
        f"The {what} has more than {limit} bytes.",
        hint="Send less at a time (OTLP's bound is the setting max_recv_msg_size_mib).",
    )


def _gzip(body: bytes, limit: int) -> bytes:
    """All members of a gzip body, up to one byte over the bound."""
    return _members(body, limit, lambda: zlib.decompressobj(wbits=zlib.MAX_WBITS | 16))


def _zstd(body: bytes, limit: int) -> bytes:
    """All frames of a zstd body, up to one byte over the bound."""
    return _members(body, limit, lambda: zstd.ZstdDecompressor(options=ZSTD_OPTIONS))


def _members(body: bytes, limit: int, start: Callable[[], Any]) -> bytes:
    """Reads one compressed stream after another; zlib's and zstd's objects have the same methods."""
    out = bytearray()
    members = 0
    while body:
        members += 1
        if members > MAX_MEMBERS:
            raise EOFError(f"it has more than {MAX_MEMBERS} members")
        stream = start()
        out += stream.decompress(body, limit + 1 - len(out))
        if len(out) > limit:
            break
        if not stream.eof:
            raise EOFError("it ends early")
        body = stream.unused_data
    return bytes(out)


def _deflate(body: bytes, limit: int) -> bytes:
    """A zlib body, as HTTP means by deflate; some clients send a raw deflate stream, so that is read too."""
    wrapped = len(body) >= 2 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
    out = stream.decompress(body, limit + 1)
    if len(out) <= limit and not stream.eof:
        raise EOFError("it ends early")
    return out


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "zstd": _zstd,
}
CODINGS = "gzip, deflate, zstd, identity"
