"""The index is what the events say: live, after a restart, and built anew."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from varco_audit.batches import BatchLimits
from varco_audit.index.event_index import EventIndex
from varco_audit.index.index_fields import fields_of
from varco_audit.index.tables import metadata
from varco_common.base.tasks import run_in_background
from varco_common.bus import Bus
from varco_common.bus.streams import ensure, manager
from varco_common.events import (
    AccountOpened,
    AuthCause,
    AuthFailed,
    CopyForwarded,
    CopyRemoved,
    Failure,
    HostBanned,
    HostUnbanned,
    Language,
    MailBounced,
    MailDelivered,
    RemovalCause,
    Strike,
    StrikeCause,
    UnbanCause,
)
from varco_common.storage import database
from varco_common.testing import nats_server
from varco_common.testing.waiting import eventually

AT = datetime(2026, 11, 2, 9, tzinfo=UTC)
words = st.sampled_from(["acme", "corp", "zeta"])
mails = st.sampled_from([f"{n:020}" for n in range(5)])
addresses = st.sampled_from(["Bob@x.example", "bob@X.example", "ann@y.example"])
any_event = st.one_of(
    st.builds(AccountOpened, at=st.just(AT), account=words, language=st.just(Language.IT)),
    st.builds(
        AuthFailed, at=st.just(AT), host=words, login=addresses, cause=st.just(AuthCause.BROKEN_OFF), account=words
    ),
    st.builds(
        MailDelivered,
        at=st.just(AT),
        account=words,
        mail=mails,
        sequence=st.just(1),
        recipients=st.lists(addresses).map(tuple),
        host=words,
        answer=words,
    ),
    st.builds(
        CopyRemoved,
        at=st.just(AT),
        account=words,
        mails=st.lists(mails).map(tuple),
        cause=st.just(RemovalCause.OPERATOR),
    ),
)


async def rows(engine) -> dict[str, list]:
    found = {}
    async with engine.connect() as connection:
        for table in (*metadata.sorted_tables, database.progress):
            query = sa.select(table).order_by(*table.primary_key.columns)
            found[table.name] = [tuple(row) for row in await connection.execute(query)]
    return found


async def caught_up(index: EventIndex, bus: Bus) -> None:
    async with asyncio.timeout(60):
        if last := await bus.events.last_sequence("events.>"):
            await index.wait_until_applied(last)


def event_index(bus: Bus, engine, items: int) -> EventIndex:
    return EventIndex(bus, engine, BatchLimits(items, 1 << 20, 0.0))


async def folded_three_ways(events: list, cut: int, folder) -> None:
    folder.mkdir()
    async with nats_server() as server, Bus.connect(server.settings(), "test") as bus:
        for name, pieces in (("live", (events[:cut], events[cut:])), ("rebuilt", ([],))):
            url = f"sqlite+aiosqlite:///{folder}/{name}.sqlite"
            async with database.connect(url, "audit") as engine:
                await database.migrate(engine, "varco_audit")
                for piece in pieces:  # each with a new index object: a restart
                    index = event_index(bus, engine, 3)
                    async with run_in_background(index.run()):
                        for event in piece:
                            await bus.events.append(event)
                        await caught_up(index, bus)
                found = await rows(engine)
            if name == "live":
                live = found
    assert len(live["events"]) == len(events)
    assert found == live


def test_live_restarted_and_rebuilt_are_the_same(tmp_path):
    number = iter(range(1_000))

    @settings(max_examples=12, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(any_event, min_size=1, max_size=12), st.integers(0, 12))
    def folds(events, cut):
        asyncio.run(folded_three_ways(events, min(cut, len(events)), tmp_path / str(next(number))))

    folds()


async def test_on_each_database_it_is_written_once_even_by_two(bus, database_url):
    for number in range(40):
        await bus.events.append(AuthFailed(at=AT, host=f"192.0.2.{number}", login="x", cause=AuthCause.BROKEN_OFF))
    async with database.connect(database_url, "audit") as engine:
        await database.migrate(engine, "varco_audit")
        first, second = event_index(bus, engine, 4), event_index(bus, engine, 7)
        async with run_in_background(first.run(), second.run()):
            await eventually(lambda: 40 in (first.applied, second.applied))
        found = await rows(engine)
        assert [row[0] for row in found["events"]] == list(range(1, 41))
        assert found["progress"] == [("events", 40)]


async def test_a_bus_that_is_killed_and_what_cannot_be_read_leave_no_gap(gate, sqlite_url):
    async with database.connect(sqlite_url, "audit") as engine:
        await database.migrate(engine, "varco_audit")
        index = event_index(gate.bus, engine, 10)
        async with run_in_background(index.run()):
            await gate.bus.events.append(AccountOpened(at=AT, account="acme", language=Language.IT))
            await gate.publish("events.policy.account-opened.acme", b"no event at all")
            await gate.nats.restart()
            await gate.bus.events.append(AccountOpened(at=AT, account="corp", language=Language.IT))
            await caught_up(index, gate.bus)
        assert [(row[0], row[3]) for row in (await rows(engine))["events"]] == [(1, "acme"), (2, None), (3, "corp")]


async def test_a_deleted_database_is_made_anew(gate):
    mail = await gate.mail(message_id="<1@acme.example>")
    for _ in range(2):
        async with gate.audit() as http:

            async def there(http=http) -> bool:
                found = (await http.get("/events", params={"message_id": "<1@acme.example>"})).json()
                return [one["event"]["record"]["envelope"]["id"] for one in found["events"]] == [mail]

            await eventually(there)
        for file in gate.home.glob("**/audit.sqlite*"):
            file.unlink()


async def test_events_are_indexed_on_an_old_stream_too(tmp_path):
    """A stream from before allow_atomic is brought up to date, not refused."""
    async with nats_server(streams=False) as server, manager(server.settings()) as raw:
        await ensure(raw, server.settings())
        config = (await raw.jetstream().stream_info("EVENTS")).config
        config.allow_atomic = False
        await raw.jetstream().update_stream(config)
        await ensure(raw, server.settings())
        assert (await raw.jetstream().stream_info("EVENTS")).config.allow_atomic


def test_what_is_known_by_several_names_is_found_by_each():
    later = AT + timedelta(minutes=1)
    bounced = MailBounced(
        at=later,
        account="acme",
        mail="m" * 20,
        sequence=1,
        failures=(Failure(recipient="Bob@X.example", status="5.1.1", answer="550"),),
        host="mx:25",
        sender="Alice@acme.example",
        dsn="d" * 20,
    )
    assert fields_of(bounced).recipients == ("bob@x.example",)
    assert fields_of(bounced).sender == "alice@acme.example"
    assert fields_of(bounced).others == ("d" * 20,)
    copy = CopyForwarded(at=AT, account="acme", mail="m" * 20, copy="c" * 20, address="boss@acme.example")
    assert (fields_of(copy).others, fields_of(copy).recipients) == (("c" * 20,), ("boss@acme.example",))
    removed = CopyRemoved(at=AT, account="acme", mails=("a" * 20, "b" * 20), cause=RemovalCause.CLIENT)
    assert fields_of(removed).others == ("a" * 20, "b" * 20)


def strike(accounts: tuple[str, ...] = (), seen_by: tuple[str, ...] = ()) -> Strike:
    cause = StrikeCause.WRONG_CREDENTIALS
    return Strike(sequence=1, at=AT, cause=cause, host="192.0.2.7", accounts=accounts, seen_by=seen_by)


@pytest.mark.parametrize(
    ("strikes", "account"),
    [
        ((strike(("acme",)), strike(("acme",))), "acme"),
        ((strike(seen_by=("acme",)), strike(("acme",))), "acme"),
        ((strike(("acme",)), strike(("corp",))), ""),
        ((strike(("acme",)), strike()), ""),
        ((strike(("acme",), ("corp",)),), ""),
        ((), ""),
    ],
)
def test_a_ban_is_of_the_account_that_may_see_all_of_its_evidence(strikes, account):
    banned = HostBanned(at=AT, network="192.0.2.7", until=None, strikes=strikes)
    assert fields_of(banned).account == account
    assert fields_of(banned).host == "192.0.2.7"


def test_the_end_of_a_ban_is_of_the_account_that_it_concerned_alone():
    ends = [
        HostUnbanned(at=AT, network="192.0.2.7", cause=UnbanCause.EXPIRED, accounts=accounts)
        for accounts in (("acme",), ("acme", "corp"), ())
    ]
    assert [fields_of(end).account for end in ends] == ["acme", "", ""]


@pytest.mark.parametrize("cause", [cause for cause in UnbanCause if cause is not UnbanCause.EXPIRED])
def test_who_ended_a_ban_and_why_is_shown_to_no_account(cause):
    by, reason = "anna@corp.example", "our new printer"
    lifted = HostUnbanned(at=AT, by=by, reason=reason, network="192.0.2.7", cause=cause, accounts=("acme",))
    assert fields_of(lifted).account == ""
