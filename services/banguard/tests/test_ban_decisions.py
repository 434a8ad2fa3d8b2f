"""Decisions on strikes are the same, whenever a process crashes between two of them."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from varco_banguard import ban_decisions, ban_settings, model, unban_decisions
from varco_banguard.ban_duration import ban_end, ban_seconds
from varco_banguard.ban_settings import BanSettings
from varco_banguard.shared_hosts import HostUse
from varco_banguard.unban_decisions import Attribution
from varco_common.events import (
    AnyEvent,
    BanRules,
    BanRulesChanged,
    GateEvent,
    HostBanned,
    HostEvent,
    HostFound,
    HostIgnored,
    HostUnbanned,
    LoginResumed,
    LoginStopped,
    NetworkIgnored,
    SenderAuthorised,
    Strike,
    StrikeCause,
    StrikesForgiven,
    UnbanCause,
)
from varco_common.events.ban_table import BanTable, banned_as

T0 = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
HOSTS = ("192.0.2.7", "192.0.2.8", "127.0.0.1", "2001:db8::7", "2001:db8::8")
SHARED = ("192.0.2.8", "2001:db8::7", "2001:db8::8")  # hosts in a trusted network
SENDERS = ("a@acme.example", "b@acme.example")


def use_of(host: str) -> HostUse:
    return HostUse(trusted=host in SHARED)


class World:
    """A stream, and what one process knows of it.

    `crash` forgets everything, and reads the stream again.
    """

    def __init__(self, crash_after: frozenset[int] = frozenset()) -> None:
        self.events: list[AnyEvent] = []
        self._crash_after = crash_after
        self._forget()

    def _forget(self) -> None:
        self.hosts: dict[str, model.Host] = {}
        self.settings, self.table = BanSettings(), BanTable()
        for sequence, event in enumerate(self.events, 1):
            self._apply(sequence, event)

    def _apply(self, sequence: int, event: AnyEvent) -> None:
        if isinstance(event, HostEvent):
            host = model.apply(self.hosts.get(event.network), event)
            self.hosts.pop(event.network, None)
            if host:
                self.hosts[event.network] = host
        if isinstance(event, GateEvent):
            self.settings = ban_settings.apply(self.settings, event)
        self.table.apply(sequence, event)

    def append(self, event: AnyEvent) -> int:
        self.events.append(event)
        self._apply(len(self.events), event)
        return len(self.events)

    def deal_with(self, sequence: int, event: object) -> None:
        """As the strike processor does; a crash comes back to the same event."""
        while fact := self._next(sequence, event):
            self.append(fact)
            if len(self.events) in self._crash_after:
                self._forget()

    def _next(self, sequence: int, event: object) -> HostEvent | None:
        match event:
            case Strike():
                strike = event
                host = self.hosts.get(banned_as(strike.host))
                return ban_decisions.on_strike(
                    strike, host, self.settings, self.table, use=use_of(strike.host), now=strike.at, chance=0
                )
            case SenderAuthorised():
                steps = (
                    unban_decisions.on_authorised(event, host, self.settings.rules, event.at)
                    for host in self.hosts.values()
                )
            case NetworkIgnored():
                steps = (
                    unban_decisions.on_ignored(event, host, self.settings.rules, event.at)
                    for host in self.hosts.values()
                )
            case datetime():
                steps = (ban_decisions.on_time(host, self.settings.rules, event) for host in self.hosts.values())
            case _:
                return None
        return next(filter(None, steps), None)


def strike(sequence: int, host: str = HOSTS[0], at: datetime = T0, sender: str = "", weight: int = 1) -> Strike:
    cause = StrikeCause.SENDER_NOT_AUTHORISED if sender else StrikeCause.WRONG_CREDENTIALS
    accounts = ("acme",) if sender else ()
    return Strike(sequence=sequence, at=at, cause=cause, host=host, sender=sender, weight=weight, accounts=accounts)


_steps = st.lists(
    st.one_of(
        st.tuples(st.just("strike"), st.sampled_from(HOSTS), st.sampled_from(("", *SENDERS))),
        st.tuples(st.just("wait"), st.sampled_from((1, 400, 3_601, 40_000, 10_000_000)), st.none()),
        st.tuples(st.just("authorise"), st.sampled_from((*SENDERS, "@acme.example")), st.none()),
        st.tuples(
            st.just("ignore"),
            st.sampled_from(("192.0.2.0/29", "192.0.2.7", "2001:db8::/64")),
            st.sampled_from(("", "acme")),
        ),
        st.tuples(st.just("rules"), st.sampled_from((1, 2, 3, 5)), st.none()),
    ),
    max_size=40,
)


def live(world: World, steps: list[tuple[str, object, object]]) -> World:
    now = T0
    for number, (what, first, second) in enumerate(steps, 1):
        now += timedelta(seconds=1)
        match what:
            case "strike":
                event: object = strike(number, str(first), now, str(second))
            case "wait":
                now += timedelta(seconds=int(str(first)))
                event = now
            case "authorise":
                event = SenderAuthorised(at=now, account="acme", pattern=str(first))
            case "ignore":
                event = NetworkIgnored(at=now, network=str(first), account=str(second))
                world.append(event)
            case _:
                event = BanRulesChanged(at=now, rules=BanRules(maxretry=int(str(first))))
                world.append(event)
        world.deal_with(number, event)
    return world


@given(_steps, st.frozensets(st.integers(1, 120)))
def test_crashes_anywhere_change_no_event(steps, crashes):
    whole, broken = live(World(), steps), live(World(crashes), steps)
    assert broken.events == whole.events
    assert broken.hosts == whole.hosts


@given(_steps)
def test_reading_the_stream_again_gives_the_same_state(steps):
    world = live(World(), steps)
    hosts, settings, bans = world.hosts, world.settings, {*world.table.bans()}
    world._forget()
    assert (world.hosts, world.settings, {*world.table.bans()}) == (hosts, settings, bans)


@given(_steps)
def test_bans_begin_and_end_in_turns_and_hosts_that_are_never_banned_are_not(steps):
    world = live(World(), steps)
    for network in {banned_as(host) for host in HOSTS}:
        turns = [
            isinstance(event, HostBanned)
            for event in world.events
            if isinstance(event, HostBanned | HostUnbanned) and event.network == network
        ]
        assert all(one != other for one, other in pairwise(turns))
        assert not turns or turns[0]
    assert "127.0.0.1" not in {event.network for event in world.events if isinstance(event, HostBanned)}


@given(_steps)
def test_stops_begin_and_end_in_turns_and_only_where_several_people_share_a_host(steps):
    world = live(World(), steps)
    stops = [event for event in world.events if isinstance(event, LoginStopped | LoginResumed)]
    for network in {stop.network for stop in stops}:
        turns = [isinstance(stop, LoginStopped) for stop in stops if stop.network == network]
        assert all(one != other for one, other in pairwise(turns))
        assert turns[0]
    assert {stop.network for stop in stops} <= {banned_as(host) for host in SHARED}


@given(_steps)
def test_an_unauthorised_sender_never_bans_a_shared_host(steps):
    for event in live(World(), steps).events:
        if isinstance(event, HostBanned) and event.network in map(banned_as, SHARED):
            assert StrikeCause.SENDER_NOT_AUTHORISED not in {strike.cause for strike in event.strikes}


@given(_steps)
def test_every_ban_rests_on_evidence_within_findtime(steps):
    world = live(World(), steps)
    for event in world.events:
        if isinstance(event, HostBanned):
            assert model.total_weight(event.strikes) >= 1
            assert all(event.at - one.at < timedelta(seconds=600) for one in event.strikes)


def test_strikes_outside_findtime_ban_nobody():
    world = World()
    for number in range(5):
        late = T0 + number * timedelta(minutes=6)
        world.deal_with(number + 1, strike(number + 1, at=late))
    assert all(isinstance(event, HostFound) for event in world.events)


def test_a_cause_that_weighs_more_bans_sooner():
    world = World()
    world.deal_with(1, strike(1, weight=3))
    assert isinstance(world.events[-1], HostBanned)


def test_authorising_a_sender_leaves_the_other_strikes():
    world = World()
    for number, sender in enumerate(("a@acme.example", "a@acme.example", ""), 1):
        world.deal_with(number, strike(number, sender=sender))
    assert isinstance(world.events[-1], HostBanned)
    world.deal_with(4, SenderAuthorised(at=T0, account="acme", pattern="a@acme.example"))
    assert [type(event) for event in world.events[-2:]] == [StrikesForgiven, HostUnbanned]
    assert world.events[-1].cause is UnbanCause.FORGIVEN
    assert [one.sequence for one in world.hosts[HOSTS[0]].strikes] == [3]


def test_another_accounts_authorising_forgives_nothing():
    world = World()
    for number in (1, 2, 3):
        world.deal_with(number, strike(number, sender="a@acme.example"))
    world.deal_with(4, SenderAuthorised(at=T0, account="other", pattern="a@acme.example"))
    assert isinstance(world.events[-1], HostBanned)


def test_a_ban_by_hand_rests_on_no_strikes():
    host = model.apply(None, HostBanned(at=T0, network="192.0.2.7", until=None, by="token:x"))
    assert host
    assert unban_decisions.forgive(host, (), BanRules(), Attribution(T0)) is None
    assert ban_decisions.on_time(host, BanRules(), T0 + timedelta(days=10_000)) is None


def test_bans_grow_as_fail2bans_do():
    plain = BanRules()
    assert [ban_seconds(plain, earlier, 0) for earlier in range(4)] == [3600, 7200, 14400, 28800]
    assert ban_seconds(plain, 60, 0) == 5 * 604_800
    assert ban_seconds(BanRules(bantime_factor=2), 1, 0) == 14400
    multipliers = BanRules(bantime_multipliers=(1, 5, 30))
    assert [ban_seconds(multipliers, earlier, 0) for earlier in range(5)] == [3600, 18000, 108000, 108000, 108000]
    assert ban_seconds(BanRules(bantime_increment=False), 5, 0) == 3600
    assert ban_seconds(BanRules(bantime=-1), 0, 0) is None
    assert ban_seconds(BanRules(bantime_rndtime=100), 1, 0.5) == 7250
    assert ban_end(BanRules(bantime_maxtime=-1, bantime_factor=1e5), 20, T0, 0) is None


def test_repeated_credentials_weigh_nothing_within_findtime_if_the_rules_say_so():
    def found(guess: str, seconds: int, host: model.Host | None, *, count_repeats: bool) -> HostFound:
        at = T0 + timedelta(seconds=seconds)
        strike = Strike(sequence=seconds + 1, at=at, cause=StrikeCause.WRONG_CREDENTIALS, host="192.0.2.7", guess=guess)
        settings = BanSettings(rules=BanRules(count_repeats=count_repeats))
        event = ban_decisions.on_strike(strike, host, settings, BanTable(), use=HostUse(), now=at, chance=0.0)
        assert isinstance(event, HostFound)
        return event

    def weights(*, count_repeats: bool) -> list[int]:
        host, result = None, []
        for guess, seconds in (("a", 0), ("a", 10), ("b", 20), ("a", 30), ("", 40), ("", 50), ("a", 2_000)):
            event = found(guess, seconds, host, count_repeats=count_repeats)
            host = model.apply(host, event)
            result.append(event.strike.weight)
        return result

    assert weights(count_repeats=False) == [1, 0, 1, 0, 1, 1, 1]
    assert weights(count_repeats=True) == [1] * 7


def test_an_ignored_host_is_stated_again_after_a_minute():
    world = World()
    for number, second in enumerate((0, 1, 59, 61, 100, 130), 1):
        failure = strike(number, "127.0.0.1", T0 + timedelta(seconds=second))
        world.deal_with(number, failure)
    assert [event.strike.sequence for event in world.events if isinstance(event, HostIgnored)] == [1, 4, 6]
