"""What counts as a private address, however it is written."""

import pytest

from varco_relay.smtp.private_addresses import is_private, is_private_host

PRIVATE = [
    *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254"),
    *("100.100.100.200", "168.63.129.16", "192.0.0.192", "192.0.2.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::1", "2002:a9fe:a9fe::"),
    "2001:0:0:0:0:0:80ff:fffe",  # Teredo, of 127.0.0.1
]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_of_this_machine_its_network_or_its_cloud_is_private(address):
    assert is_private(address)
    assert is_private_host(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_a_public_address_is_not_private(address):
    assert not is_private(address)
    assert not is_private_host(address)


@pytest.mark.parametrize(
    "name", ["localhost", "LOCALHOST.", "nats", "2130706433", "x.localhost", "db.internal", "a.local"]
)
def test_a_name_that_only_means_this_network_is_private(name):
    assert is_private_host(name)


def test_a_name_with_a_domain_is_judged_when_it_is_resolved():
    assert not is_private_host("mx.provider.example")
