"""HTTP content codings: what comes out, and where it stops."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest

from flightdeck.errors import Invalid, TooLarge
from flightdeck.otel.receiver.compression import decompress, zstd
from flightdeck.otel.receiver.status import Unsupported

CONTENT = b"gen_ai.usage.input_tokens" * 100
LIMIT = 10_000


def raw_deflate(content):
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(content) + stream.flush()


COMPRESSED = [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstd.compress)]


@pytest.mark.parametrize(
    ("coding", "compress"), [*COMPRESSED, ("deflate", raw_deflate), ("identity", bytes), ("", bytes)]
)
def test_the_content_comes_out(coding, compress):
    assert decompress(compress(CONTENT), coding, LIMIT) == CONTENT


@pytest.mark.parametrize(("coding", "compress"), COMPRESSED)
def test_the_bound_is_exact(coding, compress):
    assert decompress(compress(CONTENT), coding, len(CONTENT)) == CONTENT
    with pytest.raises(TooLarge, match=f"more than {len(CONTENT) - 1} bytes"):
        decompress(compress(CONTENT), coding, len(CONTENT) - 1)


@pytest.mark.parametrize(("coding", "compress"), COMPRESSED)
def test_a_bomb_is_never_unpacked(coding, compress):
    bomb = compress(bytes(64 * 1024 * 1024))
    assert len(bomb) < 100_000
    tracemalloc.start()
    try:
        # zstd may refuse the bomb's window before its size
        with pytest.raises((TooLarge, Invalid)):
            decompress(bomb, coding, LIMIT)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1024 * 1024


@pytest.mark.parametrize(("coding", "compress"), [COMPRESSED[0], COMPRESSED[3]])
def test_members_are_joined_up_to_the_bound_and_a_number(coding, compress):
    member = compress(b"abc")
    assert decompress(member * 3, coding, LIMIT) == b"abcabcabc"
    with pytest.raises(TooLarge):
        decompress(member * 3, coding, 8)
    with pytest.raises(Invalid, match="more than 64 members"):
        decompress(compress(b"") * 65, coding, LIMIT)


@pytest.mark.parametrize(("coding", "compress"), [*COMPRESSED, ("deflate", raw_deflate)])
@pytest.mark.parametrize("cut", [1, 4, 12])
def test_a_body_that_ends_early_is_refused(coding, compress, cut):
    with pytest.raises(Invalid, match=f"The body is no {coding}"):
        decompress(compress(CONTENT)[:-cut], coding, LIMIT)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_a_body_in_no_coding_is_refused(coding):
    with pytest.raises(Invalid, match=f"The body is no {coding}"):
        decompress(b"hello there", coding, LIMIT)


@pytest.mark.parametrize("coding", ["br", "gzip, gzip", "x" * 500])
def test_another_coding_is_not_supported(coding):
    with pytest.raises(Unsupported) as caught:
        decompress(b"", coding, LIMIT)
    assert "Use one of gzip, deflate, zstd, identity." in str(caught.value)
    assert len(str(caught.value)) < 200
