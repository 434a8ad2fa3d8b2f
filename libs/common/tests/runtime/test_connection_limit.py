"""Strangers leave a quarter of the connections for hosts that are known."""

from varco_common.events import RefusedConnections
from varco_common.runtime import connection_limit
from varco_common.runtime.connection_limit import ConnectionLimit

TOO_MANY, FROM_HOST = RefusedConnections.TOO_MANY, RefusedConnections.TOO_MANY_FROM_HOST


def test_strangers_leave_a_quarter_for_known_hosts():
    limit = ConnectionLimit(8, 4)
    limit.remember("192.0.2.99")
    assert [limit.enter(f"192.0.2.{number}") for number in range(7)] == [None] * 6 + [TOO_MANY]
    assert [limit.enter("192.0.2.99") for _ in range(3)] == [None, None, TOO_MANY]


def test_one_host_has_its_own_bound_and_an_ipv6_customer_is_one_host():
    limit = ConnectionLimit(100, 2)
    assert [limit.enter("192.0.2.1") for _ in range(3)] == [None, None, FROM_HOST]
    assert [limit.enter(f"2001:db8::{number}") for number in range(1, 4)] == [None, None, FROM_HOST]
    assert limit.enter("2001:db8:0:1::1") is None


def test_a_place_is_free_again_when_its_connection_has_left():
    limit = ConnectionLimit(1, 1)
    for _ in range(3):
        assert limit.enter("192.0.2.1") is None
        assert limit.enter("192.0.2.2") is TOO_MANY
        limit.leave("192.0.2.1")
    assert limit.enter("") is None, "a connection that is over already has no address"


def test_the_hosts_that_were_seen_last_are_known(monkeypatch):
    monkeypatch.setattr(connection_limit, "MAX_KNOWN_HOSTS", 2)
    limit = ConnectionLimit(4, 4)
    for host in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        limit.remember(host)
    assert [limit.enter("192.0.2.9") for _ in range(3)] == [None] * 3
    assert limit.enter("192.0.2.1") is TOO_MANY
    assert limit.enter("192.0.2.3") is None
