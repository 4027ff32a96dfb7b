"""Where webhooks may go: what counts is the address, under whatever name or spelling."""

from __future__ import annotations

import ipaddress

import pytest

from flightdeck.errors import Invalid
from flightdeck.webhooks.addresses import check_url, forbidden

LINK_LOCAL = "Webhook URL targets a link-local address (cloud-metadata range); refusing."


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hook?x=1#y",
        "http://127.0.0.1:8080/hook",
        "http://10.0.0.5/",
        "http://[::1]:9/",
        "http://no.such.name.invalid/",
        "http://user:word@example.com/",
        "HTTPS://EXAMPLE.COM",
    ],
)
def test_a_url_that_may_work_is_taken(url):
    check_url(url)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://x/ok", "Webhook URL scheme must be http or https (got 'ftp')."),
        ("file:///etc/passwd", "Webhook URL scheme must be http or https (got 'file')."),
        ("/relative", "Webhook URL scheme must be http or https (got '')."),
        ("http:///x", "Webhook URL must include a host."),
        ("http://metadata.google.internal/x", "Webhook URL targets a cloud-metadata hostname; refusing to register."),
        ("http://METADATA.google.internal./x", "Webhook URL targets a cloud-metadata hostname; refusing to register."),
        ("http://169.254.169.254/latest", LINK_LOCAL),
        ("http://[fe80::1]/x", LINK_LOCAL),
        ("http://[fe80::1%25eth0]/x", LINK_LOCAL),
        # The same address, as 1.3's filter did not know it (D11).
        ("http://2852039166/", LINK_LOCAL),
        ("http://0xa9fea9fe/", LINK_LOCAL),
        ("http://0xa9.0xfe.0xa9.0xfe/", LINK_LOCAL),
        ("http://0251.0376.0251.0376/", LINK_LOCAL),
        ("http://169.254.43518/", LINK_LOCAL),
        ("http://[::ffff:169.254.169.254]/", LINK_LOCAL),
        ("http://[::ffff:a9fe:a9fe]/", LINK_LOCAL),
        ("http://[64:ff9b::169.254.169.254]/", LINK_LOCAL),
        ("http://[2002:a9fe:a9fe::]/", LINK_LOCAL),
        ("http://[::169.254.169.254]/", LINK_LOCAL),
    ],
)
def test_a_url_that_must_not_work_is_refused(url, said):
    with pytest.raises(Invalid) as refused:
        check_url(url)
    assert refused.value.message == said


@pytest.mark.parametrize(
    "host",
    [
        *("0.0.0.0", "0", "[::]", "255.255.255.255", "224.0.0.1", "240.0.0.1", "[ff02::1]"),
        *("100.100.100.200", "[fd00:ec2::254]", "192.0.0.192", "168.63.129.16"),
    ],
)
def test_addresses_of_no_host_and_of_metadata_services_are_refused(host):
    with pytest.raises(Invalid, match=r"Webhook URL targets an? .*; refusing"):
        check_url(f"http://{host}/")


@pytest.mark.parametrize("url", ["http://" + "a" * 2050, "http://[::1/", "http://x:port/", "http://x:99999/"])
def test_what_is_no_url_is_refused(url):
    with pytest.raises(Invalid, match="Webhook URL"):
        check_url(url)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "192.168.0.1", "::1", "fc00::1", "::ffff:10.0.0.1"])
def test_private_addresses_may_be_forbidden(address):
    assert forbidden(ipaddress.ip_address(address)) == ""
    assert "private" in forbidden(ipaddress.ip_address(address), private=False)
    assert forbidden(ipaddress.ip_address("8.8.8.8"), private=False) == ""
    assert forbidden(ipaddress.ip_address("2606:4700::1111"), private=False) == ""
