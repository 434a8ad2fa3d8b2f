"""Projections: however they came to be, live, restarted or rebuilt, they hold the same states."""

import asyncio

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from varco_common.base.errors import TransientError
from varco_common.events import (
    AccountClosed,
    AccountOpened,
    SenderAuthorised,
    SenderWithdrawn,
    decode_event,
    encode_event,
)
from varco_common.eventsourcing import snapshot_saver
from varco_common.eventsourcing.folded_states import FoldedStates
from varco_common.eventsourcing.projection import Projection
from varco_common.eventsourcing.projection_spec import ProjectionSpec, event_key
from varco_common.storage import database
from varco_common.testing.diversion import divert
from varco_common.testing.waiting import eventually

from .senders_projection import AT, Senders, apply, authorised, following, opened

accounts = st.sampled_from(["acme", "beta"])
patterns = st.sampled_from(["a@x", "b@x", "@y"])
facts = st.one_of(
    st.builds(opened, accounts),
    st.builds(lambda account: AccountClosed(at=AT, account=account), accounts),
    st.builds(authorised, patterns, accounts),
    st.builds(lambda pattern, account: SenderWithdrawn(at=AT, account=account, pattern=pattern), patterns, accounts),
)


def folded(events, start=0):
    memory = FoldedStates(apply, event_key)
    for sequence, event in enumerate(events, start + 1):
        memory.apply(sequence, event)
    return memory


@given(st.lists(facts), st.lists(st.integers(0, 20)), st.booleans())
def test_saved_and_loaded_at_any_moments_it_is_as_if_never_stopped(events, stops, killed):
    """`killed`.

    The last save before each stop was lost, as by kill -9 in the middle of its transaction.
    """
    stored, at = {}, 0
    decoder = msgspec.json.Decoder(Senders)
    for stop in [*sorted(stops), len(events)]:
        memory = FoldedStates(apply, event_key)
        memory.start({key: decoder.decode(document) for key, document in stored.items()}, at)
        for sequence, event in enumerate(events[:stop], 1):
            memory.apply(sequence, event)  # those that came before come again, too
        if killed and stop < len(events):
            continue
        for key, document in memory.take().items():
            stored.pop(key, None)
            if document is not None:
                stored[key] = document
        at = memory.sequence
    assert {key: decoder.decode(document) for key, document in stored.items()} == folded(events).states


@given(st.lists(facts, min_size=1))
def test_an_event_that_comes_again_changes_nothing(events):
    memory = folded(events)
    before = dict(memory.states)
    memory.apply(len(events), events[-1])
    memory.apply(1, events[0])
    assert memory.states == before


async def saved(engine) -> tuple[dict[str, bytes], int]:
    async with engine.connect() as connection:
        rows = (await connection.execute(sa.select(database.states.c.key, database.states.c.document))).all()
        return dict(rows), await connection.scalar(sa.select(database.progress.c.sequence)) or 0


async def test_live_restarted_and_rebuilt_are_the_same(bus, engine):
    async with following(bus, engine) as live:
        for event in (opened(), authorised("a@x"), opened("beta"), authorised("b@x", "beta"), authorised("c@x")):
            last = await bus.events.append(event)
        await live.reached(last)
        expected = dict(live.items())
    assert expected["acme"] == Senders(("a@x", "c@x"), 2)
    assert (await saved(engine))[1] == last

    async with following(bus, engine) as restarted:
        assert dict(restarted.items()) == expected
    async with engine.begin() as connection:
        await connection.execute(sa.delete(database.states))
        await connection.execute(sa.delete(database.progress))
    async with following(bus, engine) as rebuilt:
        assert dict(rebuilt.items()) == expected
        assert rebuilt.sequence == last
    assert (await saved(engine))[1] == last


async def test_it_catches_up_before_it_opens(bus, engine):
    await bus.events.append(opened())
    for number in range(300):
        await bus.events.append(authorised(f"{number}@x"))
    async with following(bus, engine) as projection:
        assert projection.get("acme").seen == 300


async def test_a_kill_in_the_middle_of_saving_loses_nothing(bus, engine):
    await bus.events.append(opened())
    async with following(bus, engine) as projection:
        original = projection._snapshots._write

        async def killed(connection, documents):
            await original(connection, documents)
            raise OSError("the process is gone before the commit")

        projection._snapshots._write = killed
        last = await bus.events.append(authorised("a@x"))
        await projection.reached(last)
    documents, sequence = await saved(engine)
    assert sequence < last
    assert documents in ({}, {"acme": b'{"patterns":[],"seen":0}'})
    async with following(bus, engine) as restarted:
        assert restarted.get("acme") == Senders(("a@x",), 1)


@pytest.mark.parametrize(
    "subject", [authorised("b@x").subject, "events.policy.unheard-of.acme", "events.policy.sender-authorised.acme.more"]
)
async def test_a_diverted_answer_counts_as_passed(bus, nats, engine, subject):
    await bus.events.append(opened())
    async with following(bus, engine) as projection:
        await divert(nats, subject, encode_event(authorised("forged@x")))
        version = await projection.commit("acme", lambda _: authorised("a@x"))
        await divert(nats, subject, encode_event(authorised("forged@x")))
        assert await projection.version("acme") >= version
        assert projection.get("acme") == Senders(("a@x",), 1)
    async with asyncio.timeout(20), following(bus, engine) as restarted:
        assert restarted.get("acme") == Senders(("a@x",), 1)


async def test_a_diverted_answer_that_no_filter_shows_counts_as_passed(bus, nats, engine):
    """It has the subject of the key, and so the sequence that a commit expects."""
    spec = ProjectionSpec(
        "senders", (AccountOpened.subject_filter(), SenderAuthorised.subject_filter()), apply, Senders
    )
    async with Projection(spec, bus, engine, "policy").following() as projection:
        await bus.events.append(opened())
        await divert(nats, "events.policy.unheard-of.acme", b"x")
        await projection.commit("acme", lambda _: authorised("a@x"))
        assert projection.get("acme") == Senders(("a@x",), 1)


async def test_an_event_that_cannot_be_applied_is_parked_and_the_next_one_is_applied(bus, engine):
    def stumble(state, event):
        if isinstance(event, SenderAuthorised) and event.pattern == "bad@x":
            raise ValueError(event.pattern)
        return apply(state, event)

    await bus.events.append(opened())
    bad = await bus.events.append(authorised("bad@x"))
    async with following(bus, engine, stumble) as projection:
        await projection.commit("acme", lambda _: authorised("a@x"))
        assert projection.get("acme") == Senders(("a@x",), 1)
    _, parked = await bus.events.last("events.parked.record-parked.*")
    assert (decode_event(parked).sequence, decode_event(parked).why) == (bad, "senders: ValueError('bad@x')")


async def test_a_closed_account_leaves_no_document(bus, engine):
    async with following(bus, engine) as projection:
        await bus.events.append(opened())
        await projection.reached(await bus.events.append(AccountClosed(at=AT, account="acme")))
        assert projection.get("acme") is None
        assert len(projection) == 0
    assert (await saved(engine))[0] == {}


async def test_states_of_another_shape_are_made_anew(bus, engine):
    await bus.events.append(opened())
    async with following(bus, engine):
        pass
    async with engine.begin() as connection:
        await connection.execute(sa.update(database.states).values(document=b'{"patterns": 5}'))
    async with following(bus, engine) as projection:
        assert projection.get("acme") == Senders()


async def test_a_database_that_is_ahead_of_the_stream_is_made_anew(bus, engine):
    await bus.events.append(opened())
    async with following(bus, engine):
        pass
    async with engine.begin() as connection:
        await connection.execute(sa.update(database.progress).values(sequence=1_000_000))
        await connection.execute(sa.update(database.states).values(key="from another stream"))
    async with following(bus, engine) as projection:
        assert dict(projection.items()) == {"acme": Senders()}


async def test_a_database_that_was_emptied_under_it_gets_everything_again(bus, engine):
    async with following(bus, engine) as projection:
        await bus.events.append(opened())
        await projection.reached(first := await bus.events.append(opened("beta")))
        await eventually(lambda: has_saved(engine, first))
        async with engine.begin() as connection:
            await connection.execute(sa.delete(database.states))
            await connection.execute(sa.delete(database.progress))
        last = await bus.events.append(authorised("a@x"))
        await eventually(lambda: has_saved(engine, last))
        assert set((await saved(engine))[0]) == {"acme", "beta"}


async def has_saved(engine, sequence):
    return (await saved(engine))[1] >= sequence


async def test_two_processes_share_the_tables_and_progress_never_goes_back(bus, engine):
    async with following(bus, engine) as one, following(bus, engine) as two:
        await bus.events.append(opened())
        seen = 0
        for number in range(100):
            last = await bus.events.append(authorised(f"{number}@x"))
            sequence = (await saved(engine))[1]
            assert sequence >= seen
            seen = sequence
        await one.reached(last)
        await two.reached(last)
        assert one.get("acme") == two.get("acme")
    assert msgspec.json.decode((await saved(engine))[0]["acme"], type=Senders) == one.get("acme")


async def test_a_bug_in_apply_ends_the_service_instead_of_voting_on_old_state(bus, engine):
    def buggy(state, event):
        if isinstance(event, SenderAuthorised):
            raise ZeroDivisionError
        return Senders()

    with pytest.raises(ZeroDivisionError):  # noqa: PT012  # it is the block that is ended
        async with following(bus, engine, apply=buggy) as projection:
            await bus.events.append(opened())
            await projection.reached(await bus.events.append(authorised("a@x")))


# what is away


async def test_memory_follows_on_while_the_database_is_away_and_saves_when_it_is_back(
    bus, postgres, postgres_url, example
):
    async with database.connect(postgres_url, "policy") as engine:
        await database.migrate(engine, example)
        async with following(bus, engine) as projection:
            await projection.commit("acme", lambda _: opened())
            await postgres.kill()
            try:
                await projection.reached(await bus.events.append(authorised("a@x")))
                assert projection.get("acme") == Senders(("a@x",), 1)
                with pytest.raises(TransientError, match="database"):
                    await projection.commit("acme", lambda _: authorised("b@x"))
                with pytest.raises(TransientError, match="database"):
                    await projection.check()
                last = await bus.events.append(authorised("c@x"))
                await projection.reached(last)
            finally:
                await postgres.start()
            await eventually(lambda: has_saved(engine, last))
            await projection.check()
            await projection.commit("acme", lambda _: authorised("d@x"))
            assert projection.get("acme").patterns == ("a@x", "c@x", "d@x")


async def test_checks_at_the_same_time_that_find_the_database_all_succeed(bus, engine, monkeypatch):
    monkeypatch.setattr(snapshot_saver, "_PROBE_SECONDS", 60.0)
    async with following(bus, engine) as projection:

        async def check_twice():
            await projection.check()
            await projection.check()  # begins a probe before those that awaited the first one go on

        await asyncio.gather(*(check_twice() for _ in range(3)))


async def test_it_follows_on_over_a_restart_of_the_bus(nats, bus, engine):
    async with following(bus, engine) as projection:
        await projection.commit("acme", lambda _: opened())
        await nats.restart()
        await eventually(lambda: projection.commit("acme", lambda state: [] if state.patterns else authorised("a@x")))
        assert projection.get("acme") == Senders(("a@x",), 1)


async def test_waiting_for_what_never_comes_ends_in_a_transient_error(bus, engine):
    async with following(bus, engine) as projection:
        with pytest.raises(TransientError, match="99 is awaited"):
            await projection.reached(99, timeout=0.05)
