"""The narrowest trusted network of a host."""

import pytest

from varco_common.base.errors import RefusedCommand
from varco_policy.network_index import NetworkIndex
from varco_policy.normalization import normal_network


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("192.0.2.0/28", "192.0.2.0/28"),
        (" 192.0.2.7 ", "192.0.2.7/32"),
        ("192.0.2.0/255.255.255.0", "192.0.2.0/24"),
        ("2001:DB8::/64", "2001:db8::/64"),
        ("::1", "::1/128"),
        ("::ffff:192.0.2.0/124", "192.0.2.0/28"),
        ("10.0.0.0/8", "10.0.0.0/8"),
    ],
)
def test_a_network_has_one_way_of_being_written(text, network):
    assert normal_network(text) == network


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("192.0.2.7/28", "the network is 192.0.2.0/28"),
        ("acme.example", "is not a network"),
        ("", "is not a network"),
        ("192.0.2.0/33", "is not a network"),
        ("0.0.0.0/0", "force it"),
        ("::/0", "force it"),
        ("64.0.0.0/7", "force it"),
        ("2000::/15", "force it"),
        ("::ffff:0:0/96", "force it"),
    ],
)
def test_a_network_that_can_not_be_meant_is_refused_with_what_to_do(text, why):
    with pytest.raises(RefusedCommand, match=why):
        normal_network(text)


def test_the_whole_world_is_trusted_only_by_force():
    assert normal_network("0.0.0.0/0", forced=True) == "0.0.0.0/0"


@pytest.fixture
def index():
    index = NetworkIndex()
    for network, account in [("10.0.0.0/8", "wide"), ("10.1.0.0/16", "narrow"), ("2001:db8::/32", "six")]:
        index.add(network, account)
    return index


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("10.1.2.3", ("narrow", "10.1.0.0/16")),
        ("10.2.2.3", ("wide", "10.0.0.0/8")),
        ("::ffff:10.2.2.3", ("wide", "10.0.0.0/8")),
        ("2001:db8::5", ("six", "2001:db8::/32")),
        ("2001:db8::5%eth0", ("six", "2001:db8::/32")),
        ("192.0.2.7", None),
        ("0a01::", None),
        ("nobody", None),
        ("", None),
    ],
)
def test_the_narrowest_network_decides(index, host, found):
    assert index.find(host) == found


def test_a_dropped_network_leaves_the_wider_one(index):
    index.discard("10.1.0.0/16")
    index.discard("10.9.0.0/16")
    assert index.find("10.1.2.3") == ("wide", "10.0.0.0/8")
