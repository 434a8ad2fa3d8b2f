"""A replayed vote is the vote that was cast; and the bans at any time are shown."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from varco_banguard.decide import VOTER, Position, decide, position_figures
from varco_banguard.replay import BanguardReplay, BanSettingsView, settings_view, voter
from varco_banguard.settings import Settings
from varco_common.events import (
    AccountOpened,
    GatewayDetected,
    HostBanned,
    HostUnbanned,
    Language,
    LoginResumed,
    LoginStopped,
    NetworkIgnored,
    NetworkUnignored,
    Notice,
    NoticeWritten,
    SharedBecause,
    Strike,
    StrikeCause,
    UnbanCause,
)
from varco_common.events.ban_table import BanTable
from varco_common.eventsourcing.replay.replayable import ReplayCase, UnclearDecision
from varco_common.mail.account_texts import AccountTexts
from varco_common.mail.ballot import accept
from varco_common.mail.replies import Reply

from .conftest import ballot_of

START = datetime(2026, 11, 24, 10, tzinfo=UTC)
LOGINS = ("", "mario@acme.example")
HOSTS = ("192.0.2.7", "192.0.2.8", "2001:db8::5")
NETWORKS = ("192.0.2.7", "192.0.2.0/28", "2001:db8::/64")
ENDS = st.sampled_from([None, START + timedelta(seconds=30), START + timedelta(hours=1)])
FACTS = st.one_of(
    st.builds(
        HostBanned,
        at=st.just(START),
        network=st.sampled_from(NETWORKS),
        until=ENDS,
        count=st.just(1),
        strikes=st.just(()),
    ),
    st.builds(HostUnbanned, at=st.just(START), network=st.sampled_from(NETWORKS), cause=st.sampled_from(UnbanCause)),
    st.builds(
        NetworkIgnored, at=st.just(START), network=st.sampled_from(NETWORKS), account=st.sampled_from(["", "acme"])
    ),
    st.builds(
        NetworkUnignored, at=st.just(START), network=st.sampled_from(NETWORKS), account=st.sampled_from(["", "acme"])
    ),
)
STOPS = st.one_of(
    st.builds(
        LoginStopped,
        at=st.just(START),
        network=st.sampled_from(HOSTS[:2]),
        account=st.just("acme"),
        login=st.sampled_from(LOGINS),
        until=ENDS,
        because=st.just("several-logins"),
        time_zone=st.sampled_from(["UTC", "Europe/Rome"]),
    ),
    st.builds(
        LoginResumed,
        at=st.just(START),
        network=st.sampled_from(HOSTS[:2]),
        account=st.just("acme"),
        login=st.sampled_from(LOGINS),
        cause=st.sampled_from(UnbanCause),
    ),
    st.builds(GatewayDetected, at=st.just(START), host=st.sampled_from(HOSTS)),
)
GATES = (NetworkIgnored, NetworkUnignored)


def case(host: str, vote=None, login: str = "") -> ReplayCase:
    votes = (vote,) if vote else ()
    return ReplayCase(1, ballot_of(host, "acme", "mario@acme.example", login), votes, Reply.ACCEPTED, None)


@given(
    st.lists(st.one_of(FACTS, STOPS), max_size=20),
    st.lists(st.tuples(st.sampled_from(HOSTS), st.data()), min_size=1, max_size=8),
)
def test_a_vote_comes_out_the_same_wherever_its_two_followings_stood(facts, asked):
    hosts = [(number, fact) for number, fact in enumerate(facts, 1) if not isinstance(fact, GATES)]
    gate = [(number, fact) for number, fact in enumerate(facts, 1) if isinstance(fact, GATES)]
    replay = voter(Settings())
    for number, fact in enumerate(facts, 1):
        replay.apply_event(number, fact)
    for host, data in asked:
        position = Position(data.draw(st.integers(0, len(facts))), data.draw(st.integers(0, len(facts))))
        now = START + timedelta(microseconds=data.draw(st.integers(0, 60_000_000)))
        table = BanTable()
        for number, fact in [
            *hosts[: sum(n <= position.hosts for n, _ in hosts)],
            *gate[: sum(n <= position.settings for n, _ in gate)],
        ]:
            table.apply(number, fact)
        one = case(host, login=data.draw(st.sampled_from(LOGINS)))
        live = replace(decide(one.ballot, table, now, None), figures=position_figures(position, now))
        again = replay.decide(one, live)
        assert (again.reply, again.reason, again.text) == (live.reply, live.reason, live.text)


def test_the_words_of_a_vote_are_those_of_its_time():
    replay, table = voter(Settings()), BanTable()
    opened = AccountOpened(at=START, account="acme", language=Language.IT)
    own = NoticeWritten(at=START, account="acme", notice=Notice.LOGIN_STOPPED, language=Language.IT, text="{login}: 42")
    for number, fact in enumerate((stopped("acme"), opened, own), 1):
        replay.apply_event(number, fact)
    table.apply(1, stopped("acme"))
    one = case(HOSTS[0], login="x")
    for texts, number in ((None, 0), (AccountTexts(languages=(Language.IT,)), 2)):
        live = replace(decide(one.ballot, table, START, texts), figures=position_figures(Position(1, 0, number), START))
        assert replay.decide(one, live).text == live.text
    newest = replace(live, figures=position_figures(Position(1, 0, 3), START))
    assert replay.decide(one, newest).text == "x: 42"


def test_a_vote_without_figures_cant_be_cast_again():
    assert isinstance(BanguardReplay(Settings()).decide(case(HOSTS[0]), accept(VOTER)), UnclearDecision)


@pytest.mark.parametrize("setting", ["balancers", "smtp_balancers", "pop3_balancers"])
def test_a_balancer_is_refused_as_little_as_it_was(setting):
    replay = voter(Settings(**{setting: "192.0.2.7"}))
    replay.apply_event(1, HostBanned(at=START, network="192.0.2.7", until=None, count=1, strikes=()))
    vote = replace(accept(VOTER), figures=position_figures(Position(1, 0), START))
    assert replay.decide(case("192.0.2.7"), vote).reply.accepts


def sections_of(bans: BanSettingsView, *facts, account="acme", own=False, at=START) -> dict:
    bans.begin(account, at, own=own)
    by_key: dict = {}
    for number, fact in enumerate(facts, 1):
        if (key := bans.apply(number, fact)) is not None:
            by_key[key] = bans.sections(key)
    return {
        name: value for sections in by_key.values() for section in sections.values() for name, value in section.items()
    }


def strike(account: str) -> Strike:
    return Strike(
        sequence=1, at=START, cause=StrikeCause.WRONG_CREDENTIALS, host=HOSTS[0], weight=1, accounts=(account,)
    )


def banned(network: str, account: str, until=None) -> HostBanned:
    return HostBanned(at=START, network=network, until=until, count=1, strikes=(strike(account),))


def test_bans_in_force_are_told_and_those_that_are_over_are_not():
    facts = (banned("192.0.2.7", "acme"), banned("192.0.2.8", "acme", until=START - timedelta(seconds=1)))
    assert [*sections_of(settings_view(Settings()), *facts)] == ["192.0.2.7"]
    lifted = HostUnbanned(at=START, network="192.0.2.7", cause=UnbanCause.LIFTED)
    assert sections_of(settings_view(Settings()), *facts, lifted) == {}


def stopped(account: str, until=None) -> LoginStopped:
    return LoginStopped(
        at=START, network=HOSTS[0], account=account, login="x", until=until, because=SharedBecause.SEVERAL_LOGINS
    )


def test_stopped_logins_are_told_to_their_account_while_the_stop_is_in_force():
    view, key = settings_view(Settings()), "192.0.2.7 x"
    assert sections_of(view, stopped("acme"))[key]["until"] is None
    assert sections_of(settings_view(Settings()), stopped("acme"), own=True).keys() == {key}
    assert sections_of(settings_view(Settings()), stopped("beta"), own=True) == {}
    over = stopped("acme", until=START - timedelta(seconds=1))
    assert sections_of(settings_view(Settings()), over) == {}
    resumed = LoginResumed(at=START, network=HOSTS[0], account="acme", login="x", cause=UnbanCause.LIFTED)
    assert sections_of(settings_view(Settings()), stopped("acme"), resumed) == {}


def test_an_account_is_told_of_its_own_bans_alone():
    facts = (banned("192.0.2.7", "acme"), banned("192.0.2.8", "beta"))
    assert [*sections_of(settings_view(Settings()), *facts, own=True)] == ["192.0.2.7"]
    assert "accounts" not in sections_of(settings_view(Settings()), *facts, own=True)["192.0.2.7"]
