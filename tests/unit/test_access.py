import pytest

from flightdeck.access import access
from flightdeck.errors import Forbidden, Unauthenticated


@pytest.mark.parametrize(
    "peer", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "::ffff:127.0.0.1", "localhost", "testclient"]
)
def test_without_a_token_this_machine_may_write(peer):
    access("").write(None, peer)


@pytest.mark.parametrize("peer", [None, "10.0.0.1", "::2", "127.0.0.1.example.com", "localhost.example.com"])
def test_without_a_token_nobody_else_may_write(peer):
    with pytest.raises(Forbidden):
        access("").write("Bearer x", peer)


@pytest.mark.parametrize(
    "shown", [None, "", "Bearer", "Bearer tok ", "Bearer TOK", "Bearertok", "Basic tok", "tok", "Bearer töken"]
)
@pytest.mark.contract("C2.04")
def test_with_a_token_only_that_very_token_passes(shown):
    rule = access(" tok ")
    with pytest.raises(Unauthenticated):
        rule.write(shown, "127.0.0.1")
    with pytest.raises(Unauthenticated):
        rule.read(shown)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_with_a_token_its_bearer_may_write_from_anywhere(scheme):
    access("tok").write(f"{scheme} tok", "10.0.0.1")
    access("tok").read(f"{scheme} tok")


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("evil.example:8765", None),
        ("localhost:8765", "http://evil.example"),
        ("127.0.0.1", "null"),
        ("[", None),
        ("[::1", None),
        ("unix:x", None),
        ("localhost", "http://["),
        ("localhost", "unix:x"),
        ("localhost", "file:///x"),
        (":8765", None),
    ],
)
def test_a_foreign_name_is_refused_while_no_token_is_set(host, origin):
    with pytest.raises(Forbidden):
        access("").names(host, origin)
    access("tok").names(host, origin)


def test_local_and_configured_names_pass():
    rule = access("", ["Deck.example"])
    for host in ("localhost:8765", "127.0.0.1:1", "[::1]:8765", "testserver", "deck.example:443", None):
        rule.names(host, None)
    rule.names("localhost", "http://localhost:5173")
