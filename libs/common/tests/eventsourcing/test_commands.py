"""Settings commands.

No decision on an older state wins, and nobody overwrites what they have not seen.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import msgspec
import pytest
from fastapi import HTTPException

from varco_common.base.errors import ConflictError, NotFound
from varco_common.events import AnyEvent, Blackhole, Route, RouteLearned, RouteRemoved, RouteSet, Smarthost
from varco_common.eventsourcing.command_executor import CommandExecutor
from varco_common.eventsourcing.commands import Change, CommandRequest
from varco_common.eventsourcing.projection import Projection
from varco_common.eventsourcing.projection_spec import ProjectionSpec
from varco_common.runtime.command_api import expected_version

AT = datetime(2026, 11, 29, 9, tzinfo=UTC)
ASKED = CommandRequest("token:t")
BLACKHOLE = Blackhole()


class State(msgspec.Struct, frozen=True):
    route: Route | None = None
    learned: int = 0


def apply(state: State | None, event: AnyEvent) -> State | None:
    state = state or State()
    match event:
        case RouteSet(route=route):
            return State(route, state.learned)
        case RouteRemoved():
            return State(None, state.learned)
        case RouteLearned():
            return State(state.route, state.learned + 1)
        case _:
            return state


KINDS = (RouteSet, RouteRemoved, RouteLearned)
ROUTES = ProjectionSpec(
    "routes", tuple(kind.subject_filter() for kind in KINDS), apply, State, settings=(RouteSet, RouteRemoved)
)


def host(name):
    return Smarthost(host=name, port=25)


def put(route):
    """Its detail tells which state it was decided on."""

    def decide(state, context):
        held = state.route if state else None
        return [] if held == route else [Change("change", "route", "", str(held), context.event(RouteSet, route=route))]

    return decide


def remove(state, context):
    if not state or not state.route:
        raise NotFound("no route")
    return [Change("remove", "route", "", "", context.event(RouteRemoved))]


def learned():
    return RouteLearned(at=AT, account="acme", host="mx:25")


@pytest.fixture
async def routes(bus, engine) -> AsyncIterator[Projection[State]]:
    projection = Projection(ROUTES, bus, engine, "relay")
    async with projection.following():
        yield projection


@pytest.fixture
def executor(routes):
    return CommandExecutor(routes)


@pytest.fixture
def rival(bus, monkeypatch):
    """Stores these events once, after the command has decided and before it appends."""

    def between(*events):
        append = bus.events.append_encoded
        late = list(events)

        async def appended(batch, **expected):
            while late:
                await bus.events.append(late.pop(0))
            return await append(batch, **expected)

        monkeypatch.setattr(bus.events, "append_encoded", appended)

    return between


@pytest.mark.parametrize(
    "event",
    [RouteSet(at=AT, account="acme", route=host("theirs")), RouteRemoved(at=AT, account="acme")],
    ids=["set", "removed"],
)
async def test_a_decision_on_an_older_state_never_wins(bus, routes, executor, rival, event):
    await executor.execute("acme", ASKED, put(BLACKHOLE))
    rival(event)
    result = await executor.execute("acme", ASKED, put(host("mine")))
    assert [change.detail for change in result.changes] == [str(getattr(event, "route", None))]
    assert routes.get("acme").route == host("mine")


async def test_a_removal_is_decided_anew_too(executor, rival):
    await executor.execute("acme", ASKED, put(BLACKHOLE))
    rival(RouteRemoved(at=AT, account="acme"))
    with pytest.raises(NotFound):
        await executor.execute("acme", ASKED, remove)


async def test_of_two_who_have_seen_the_same_version_the_second_gets_a_conflict(routes, executor):
    seen = await executor.execute("acme", ASKED._replace(dry_run=True), put(host("first")))
    request = ASKED._replace(expected_version=seen.version)
    await executor.execute("acme", request, put(host("first")))
    with pytest.raises(ConflictError):
        await executor.execute("acme", request, put(host("second")))
    with pytest.raises(ConflictError):
        await executor.execute("acme", request, remove)
    assert routes.get("acme").route == host("first")


async def test_a_change_that_comes_in_between_is_a_conflict_for_who_named_a_version(executor, rival):
    version = (await executor.execute("acme", ASKED, put(BLACKHOLE))).version
    rival(RouteSet(at=AT, account="acme", route=host("theirs")))
    with pytest.raises(ConflictError):
        await executor.execute("acme", ASKED._replace(expected_version=version), put(host("mine")))


async def test_facts_that_are_no_settings_change_no_version_and_stop_nobody(bus, routes, executor, rival):
    version = (await executor.execute("acme", ASKED, put(BLACKHOLE))).version
    await routes.reached(await bus.events.append(learned()))
    assert await routes.version("acme") == version
    rival(*(learned() for _ in range(5)))
    result = await executor.execute("acme", ASKED._replace(expected_version=version), put(host("mine")))
    assert result.version == await routes.version("acme") > version
    assert routes.get("acme") == State(host("mine"), 6)


async def test_a_dry_run_appends_nothing_and_its_version_is_no_newer_than_what_it_shows(bus, routes, executor):
    before = await bus.events.last_sequence("events.>")

    def decide(state, context):
        version = routes.sequence
        return [Change("add", "route", "", str(version), context.event(RouteSet, route=BLACKHOLE))]

    result = await executor.execute("acme", ASKED._replace(dry_run=True), decide)
    assert (result.applied, result.version, len(result.changes)) == (False, 0, 1)
    assert int(result.changes[0].detail) >= result.version
    assert await bus.events.last_sequence("events.>") == before


async def test_what_is_so_already_changes_nothing(executor):
    first = await executor.execute("acme", ASKED, put(BLACKHOLE))
    again = await executor.execute("acme", ASKED, put(BLACKHOLE))
    assert (again.applied, again.version, again.changes) == (True, first.version, [])


async def test_the_event_names_who_asked_and_why(bus, executor):
    asked = CommandRequest("token:x", reason="because")
    await executor.execute("acme", asked, put(BLACKHOLE))
    _, stored = await bus.events.last(RouteSet.subject_filter())
    event = msgspec.json.decode(stored, type=RouteSet)
    assert (event.account, event.by, event.reason) == ("acme", "token:x", "because")


def test_a_change_reads_as_a_line():
    context_event = RouteRemoved(at=AT, account="acme")
    assert Change("remove", "route", "", "was blackhole", context_event).line == "- route was blackhole"


@pytest.mark.parametrize(("header", "version"), [(None, None), ("*", None), ('"12"', 12), ("12", 12), ('"0"', 0)])
def test_if_match_names_a_version(header, version):
    assert expected_version(header) == version


@pytest.mark.parametrize("header", ["", '"x"', 'W/"12"', '"1", "2"', "-1", '"1234567890123456789"'])
def test_what_is_no_version_is_refused(header):
    with pytest.raises(HTTPException) as refused:
        expected_version(header)
    assert refused.value.status_code == 422
