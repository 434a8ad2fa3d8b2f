"""The ban table: who is refused, and who never is."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varco_common.events import HostBanned, HostUnbanned, NetworkIgnored, NetworkUnignored, UnbanCause
from varco_common.events.ban_table import BanTable, Networks, banned_as, network_of

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def banned(network: str, until: datetime | None = NOW + HOUR) -> HostBanned:
    return HostBanned(at=NOW, network=network, until=until)


def table(*facts: object, never: tuple[str, ...] = ()) -> BanTable:
    made = BanTable(map(network_of, never))
    for sequence, fact in enumerate(facts, 1):
        made.apply(sequence, fact)
    return made


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_a_host_is_banned_as_its_address_or_its_64(host, network):
    assert banned_as(host) == network


def test_a_ban_holds_until_its_end_even_where_nobody_says_so():
    held = table(banned("192.0.2.7"))
    assert held.banned("192.0.2.7", NOW + HOUR - timedelta(seconds=1))
    assert not held.banned("192.0.2.7", NOW + HOUR)
    assert not held.banned("192.0.2.8", NOW)
    assert table(banned("192.0.2.7", None)).banned("192.0.2.7", NOW + 10_000 * HOUR)


def test_what_is_never_banned_is_not_refused_whatever_the_events_say():
    held = table(banned("127.0.0.1"), banned("::/64"), banned("10.0.0.0/8"), banned("127.0.0.0/8"), never=("10.1.2.3",))
    for host in ("127.0.0.1", "::1", "10.1.2.3"):
        assert not held.banned(host, NOW), host
    for host in ("127.0.0.2", "10.1.2.4", "::2"):
        assert held.banned(host, NOW), host


def test_an_ignored_network_is_exempt_at_once_and_an_accounts_own_is_not():
    facts = [banned("192.0.2.7"), NetworkIgnored(at=NOW, network="192.0.2.0/24", account="acme")]
    assert table(*facts).banned("192.0.2.7", NOW)
    facts.append(NetworkIgnored(at=NOW, network="192.0.2.0/24"))
    assert not table(*facts).banned("192.0.2.7", NOW)
    facts.append(NetworkUnignored(at=NOW, network="192.0.2.0/24"))
    assert table(*facts).banned("192.0.2.7", NOW)


def test_a_narrow_bans_end_leaves_the_wide_one():
    over = HostUnbanned(at=NOW, network="192.0.2.7", cause=UnbanCause.LIFTED)
    assert table(banned("192.0.2.7"), banned("192.0.2.0/24"), over).banned("192.0.2.7", NOW)


def test_a_process_says_what_it_enforces_and_how_far_it_is():
    held = table(banned("192.0.2.7"))
    answer = held.answer("192.0.2.7", NOW, service="ingress-smtp", process="a:1", how="closes at accept")
    assert (answer.enforces, answer.sequence, answer.bans, answer.why_not) == (True, 1, 1, "")
    exempt = held.answer("127.0.0.1", NOW, service="ingress-smtp", process="a:1", how="kernel")
    assert (exempt.enforces, exempt.why_not) == (False, "never banned: 127.0.0.1/32")


_networks = st.one_of(
    st.builds(
        lambda bits, length: ip_network((bits, length), strict=False), st.integers(0, 2**32 - 1), st.integers(0, 32)
    ),
    st.builds(
        lambda bits, length: ip_network((bits, length), strict=False),
        st.integers(2**32, 2**128 - 1),
        st.integers(0, 128),
    ),
)


@given(st.lists(_networks), st.lists(_networks), st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_networks_hold_what_a_plain_search_finds(added, removed, address):
    kept = Networks(added)
    for network in removed:
        kept.discard(network)
    left = {*added} - {*removed}
    assert {*kept} == left
    assert len(kept) == len(left)
    probes = [address, *(ip_address(int(one.network_address)) for one in added if one.version == 4)]
    for probe in probes:
        wanted = {one for one in left if one.version == probe.version and probe in one}
        assert {*kept.covering(probe)} == wanted
