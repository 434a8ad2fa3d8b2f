"""Who can write to the bus's disk can't change what was signed.

A real store is copied, altered and served again.
"""

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from varco_audit import app
from varco_common.base import subjects
from varco_common.bus import Bus
from varco_common.testing.nats import NatsServer
from varco_common.testing.waiting import eventually
from varco_common.transparency import checkpoint
from varco_common.transparency.checkpoint import Checkpoint
from varco_common.transparency.signed_note import PublicKey, SigningKey

from .conftest import Gate
from .store import Stored, highway_hash, rewrite
from .test_transparency import append_events, proof, signed, verification

COUNT = 30
AT = 11  # the sequence at which history is altered

Change = Callable[[list[Stored]], list[Stored]]


@pytest.fixture
async def kept(gate):
    """A checkpoint that was copied elsewhere; further events and a checkpoint follow it."""
    async with gate.audit() as audit:
        await append_events(gate, COUNT)
        kept = (await signed(audit))["checkpoint"]
        await append_events(gate, 5)
        await signed(audit)
    await gate.nats.stop()
    return kept


@asynccontextmanager
async def copied(gate, tmp_path, change: Change) -> AsyncIterator[Gate]:
    """The gate as it comes up again with a copy of its store that was altered."""
    home = tmp_path / "copy"
    shutil.copytree(gate.home, home / "gate", ignore=shutil.ignore_patterns("copy", "data"))
    shutil.copytree(gate.nats.home / "store", home / "store")
    rewrite(home / "store", subjects.EVENTS, change)
    server = NatsServer(home, "", "1GB")
    try:
        await server.start()
        async with Bus.connect(server.settings(), "test") as bus:
            yield Gate(server, bus, home / "gate")
    finally:
        await server.stop()


async def failures(audit) -> float:
    text = (await audit.get("/metrics")).text
    return float(text.partition("\nvarco_audit_verification_failures_total ")[2].partition("\n")[0])


def as_it_is(records: list[Stored]) -> list[Stored]:
    return records


def one_byte_changed(records: list[Stored]) -> list[Stored]:
    one = records[AT - 1]
    records[AT - 1] = one._replace(payload=one.payload.replace(b"mario", b"maria"))
    return records


def time_changed(records: list[Stored]) -> list[Stored]:
    records[AT - 1] = records[AT - 1]._replace(at=records[AT - 1].at + 1)
    return records


def dropped(records: list[Stored]) -> list[Stored]:
    del records[AT - 1]
    return [one._replace(sequence=number) for number, one in enumerate(records, 1)]


def dropped_with_its_place(records: list[Stored]) -> list[Stored]:
    del records[AT - 1]
    return records


def added(records: list[Stored]) -> list[Stored]:
    records.insert(AT - 1, records[AT]._replace(payload=records[AT].payload.replace(b"mario", b"carla")))
    return [one._replace(sequence=number) for number, one in enumerate(records, 1)]


def swapped(records: list[Stored]) -> list[Stored]:
    one, other = records[AT - 1], records[AT]
    records[AT - 1], records[AT] = other._replace(sequence=one.sequence), one._replace(sequence=other.sequence)
    return records


def cut_off(records: list[Stored]) -> list[Stored]:
    return records[: AT - 1]


ALTERED = [
    (one_byte_changed, "changed"),
    (time_changed, "changed"),
    (dropped, "dropped"),
    (dropped_with_its_place, "dropped"),
    (added, "added"),
    (swapped, "reordered"),
    (cut_off, "cut off"),
]


async def test_a_copy_that_was_not_altered_is_the_log(gate, kept, tmp_path):
    async with copied(gate, tmp_path, as_it_is) as copy, copy.audit() as audit:
        assert (await proof(audit))["broken"] == ""
        frame = await verification(audit, kept)
    assert "departure" not in frame
    assert frame["events"] >= COUNT + 6


@pytest.mark.parametrize(("change", "departure"), ALTERED)
async def test_what_was_altered_is_found_and_named(gate, kept, tmp_path, change, departure):
    async with copied(gate, tmp_path, change) as copy, copy.audit() as audit:
        await proof(audit)
        before = await failures(audit)
        frame = await verification(audit, kept)
        assert await failures(audit) == before + 1
    assert (frame["departure"], frame["sequence"]) == (departure, AT)


@pytest.mark.parametrize(("change", "departure"), ALTERED)
async def test_without_the_hashes_it_is_found_by_the_checkpoint_and_nothing_is_signed_any_more(
    gate, kept, tmp_path, change, departure
):
    for path in (gate.home / "audit").glob("hashes*"):
        path.unlink()
    async with copied(gate, tmp_path, change) as copy, copy.audit() as audit:
        assert (await proof(audit))["broken"]
        frame = await verification(audit, kept)
        before = (await proof(audit))["signed"]
        await append_events(copy)
        assert (await signed(audit))["signed"] == before
    assert frame["departure"] in ("altered", departure)
    assert frame["sequence"] <= AT <= frame["until"]


async def test_a_log_that_was_written_anew_as_a_whole_is_not_the_one_that_was_kept(gate, kept, tmp_path):
    """Not even with the key: the checkpoint that left the house stands against the history."""

    def all_but_one_and_no_checkpoint(records: list[Stored]) -> list[Stored]:
        return dropped([one for one in records if "checkpoint-signed" not in one.subject])

    shutil.rmtree(gate.home / "audit")
    async with copied(gate, tmp_path, all_but_one_and_no_checkpoint) as copy, copy.audit() as audit:
        state = await signed(audit)
        assert (state["broken"], state["signed"] > COUNT) == ("", True)
        frame = await verification(audit, kept)
    assert (frame["departure"], frame["until"]) == ("altered", COUNT)


async def test_a_checkpoint_that_is_forged_or_of_another_log_is_named_so(gate, kept, tmp_path):
    origin = Checkpoint.parse(kept).origin
    async with copied(gate, tmp_path, as_it_is) as copy, copy.audit() as audit:
        key = PublicKey.parse((await proof(audit))["key"])
        assert key.name == origin
        for text, why in (
            (kept.replace(f"\n{COUNT}\n", f"\n{COUNT - 1}\n"), "forged"),
            (checkpoint.signed(SigningKey.new(origin), COUNT, b"r" * 32).text, "no trusted key"),
            (checkpoint.signed(SigningKey.new("varco-other"), COUNT, b"r" * 32).text, "another log"),
        ):
            frame = await verification(audit, text)
            assert (frame["departure"], why in frame["text"]) == ("checkpoint", True)


async def test_events_whose_ten_years_are_over_are_no_departure(gate, tmp_path):
    """The bus lets them go; the leaf hashes that were kept speak for them."""
    ten_years = 3_653 * 86_400 * 10**9

    def long_ago(records: list[Stored]) -> list[Stored]:
        return [one._replace(at=one.at - ten_years + 3_600 * 10**9) for one in records]

    async with gate.audit():
        await append_events(gate, COUNT)
    await gate.nats.stop()
    shutil.rmtree(gate.home / "audit")
    async with copied(gate, tmp_path, long_ago) as old:
        async with old.audit() as audit:
            kept = (await signed(audit))["checkpoint"]
        await old.nats.stop()

        def let_go(records: list[Stored]) -> list[Stored]:
            return records[AT:]

        async with copied(old, tmp_path / "later", let_go) as later, later.audit() as audit:
            assert (await proof(audit))["broken"] == ""
            assert "departure" not in await verification(audit, kept)


async def test_a_second_version_of_the_log_that_the_key_signed_is_named_so(gate, kept, tmp_path):
    key = SigningKey.parse((gate.home / "secrets" / "audit-signing.key").read_text())
    fork = checkpoint.signed(key, COUNT, b"r" * 32).text
    async with copied(gate, tmp_path, as_it_is) as copy, copy.audit() as audit:
        await proof(audit)
        frame = await verification(audit, kept, fork)
    assert "two versions" in frame["text"]


async def test_what_was_altered_is_found_without_being_asked(gate, kept, tmp_path, monkeypatch):
    monkeypatch.setattr(app, "VERIFY_EVERY", timedelta(milliseconds=50))
    async with copied(gate, tmp_path, one_byte_changed) as copy, copy.audit() as audit:
        before = await failures(audit)

        async def found() -> bool:
            return await failures(audit) > before

        assert await eventually(found)


async def test_an_event_that_was_altered_is_not_proven(gate, kept, tmp_path):
    async with copied(gate, tmp_path, one_byte_changed) as copy, copy.audit() as audit:
        await proof(audit)
        answer = await audit.get(f"/proof/events/{AT}")
        assert (answer.status_code, "isn't what was signed" in answer.text) == (422, True)
        assert (await audit.get(f"/proof/events/{AT + 1}")).status_code == 200


def test_the_checksum_is_that_of_the_published_vectors():
    """google/highwayhash's own key 00 01 .. 1f over 0, 1, 2 bytes."""
    key = bytes(range(32))
    expected = (0x907A56DE22C26E53, 0x7EAB43AAC7CDDD78, 0xB8D0569AB0B53D62)
    assert tuple(highway_hash(key, bytes(range(size))) for size in range(3)) == expected
