"""Commands on a projection: decided on the newest state, and stored together or not at all."""

import asyncio

import pytest

from varco_common.base.errors import ConflictError, RefusedCommand
from varco_common.eventsourcing import projection as projection_module

from .senders_projection import ALL, Senders, authorised, following, opened


def before_append(bus, monkeypatch, rival):
    """Runs `rival` just before each append of a command.

    After its decision, which is an older one by then.
    """
    append = bus.events.append_encoded

    async def late(batch, **expected):
        await rival()
        return await append(batch, **expected)

    monkeypatch.setattr(bus.events, "append_encoded", late)


async def test_a_command_answers_with_what_it_wrote(bus, engine):
    async with following(bus, engine) as projection:
        await projection.commit("acme", lambda _: opened())
        version = await projection.commit("acme", lambda _: [authorised("a@x"), authorised("b@x")])
        assert projection.get("acme") == Senders(("a@x", "b@x"), 2)
        assert version == await projection.version("acme") == await bus.events.last_sequence(ALL)


async def test_a_command_that_changes_nothing_appends_nothing(bus, engine):
    async with following(bus, engine) as projection:
        await projection.commit("acme", lambda _: opened())
        before = await bus.events.last_sequence(ALL)
        assert await projection.commit("acme", lambda _: []) == before
        assert await bus.events.last_sequence(ALL) == before


async def test_a_refused_command_appends_nothing(bus, engine):
    def refuse(state):
        raise RefusedCommand("no")

    async with following(bus, engine) as projection:
        with pytest.raises(RefusedCommand):
            await projection.commit("acme", refuse)
        assert await bus.events.last_sequence(ALL) == 0


async def test_commands_at_the_same_time_on_two_processes_lose_nothing(bus, engine):
    def add(pattern):
        return lambda state: authorised(pattern)

    async with following(bus, engine) as one, following(bus, engine) as two:
        await one.commit("acme", lambda _: opened())
        commands = [(one, two)[n % 2].commit("acme", add(f"{n}@x")) for n in range(10)]
        await asyncio.gather(*commands)
        await one.reached(await bus.events.last_sequence(ALL))
        assert sorted(one.get("acme").patterns) == sorted(f"{n}@x" for n in range(10))


async def test_a_command_that_always_loses_the_race_is_a_conflict(bus, engine, monkeypatch):
    async with following(bus, engine) as projection:
        await projection.commit("acme", lambda _: opened())
        before_append(bus, monkeypatch, lambda: bus.events.append(authorised("rival@x")))
        monkeypatch.setattr(projection_module, "_COMMIT_SECONDS", 0.2)
        with pytest.raises(ConflictError):
            await projection.commit("acme", lambda _: authorised("mine@x"))
        await projection.reached(await bus.events.last_sequence(ALL))
        assert set(projection.get("acme").patterns) == {"rival@x"}


async def test_the_events_of_one_command_are_stored_together_or_not_at_all(bus, engine, monkeypatch):
    async with following(bus, engine) as projection:
        await projection.commit("acme", lambda _: opened())
        rivals = iter([authorised("rival@x")])

        async def rival():
            for event in rivals:
                await bus.events.append(event)

        before_append(bus, monkeypatch, rival)
        await projection.commit("acme", lambda state: [authorised(f"{name}{state.seen}@x") for name in "ab"])
        assert projection.get("acme").patterns == ("rival@x", "a1@x", "b1@x")
