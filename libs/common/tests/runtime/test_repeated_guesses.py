"""All processes know the same wrong credentials again, and nobody can find them out later."""

from datetime import UTC, datetime, timedelta

import msgspec

from varco_common.bus import Bus
from varco_common.runtime.repeated_guesses import KEY_AGE, LEASE, GuessDigest, SharedKey


async def test_processes_that_start_at_once_share_one_key(nats):
    async with Bus.connect(nats.settings(), "ingress-smtp") as one, Bus.connect(nats.settings(), "archive") as two:
        first, second, third = GuessDigest(), GuessDigest(), GuessDigest()
        assert first.of("alice", "wrong") != second.of("alice", "wrong"), "each has a key of its own before"
        await first.share(one)
        await second.share(two)
        await third.share(one)
        digests = {digest.of("alice", "wrong") for digest in (first, second, third)}
        assert digests == {second.of(" ALICE", "wrong")}
        assert not digests & {second.of("alice", "other"), second.of("bob", "wrong")}


async def test_a_key_is_replaced_after_a_day_and_the_old_one_is_gone(bus):
    digest = GuessDigest()
    old = SharedKey(key=b"k" * 32, since=datetime.now(UTC) - KEY_AGE + timedelta(minutes=1))
    await bus.leases.replace(LEASE, msgspec.json.encode(old), expect=0)
    await digest.share(bus)
    before = digest.of("alice", "wrong")
    sequence, _ = await bus.leases.get(LEASE)
    old = msgspec.structs.replace(old, since=old.since - timedelta(minutes=2))
    await bus.leases.replace(LEASE, msgspec.json.encode(old), expect=sequence)
    await digest.share(bus)
    assert digest.of("alice", "wrong") != before
    _, content = await bus.leases.get(LEASE)
    assert old.key not in msgspec.json.decode(content, type=SharedKey).key


async def test_what_is_no_key_is_replaced(bus):
    await bus.leases.replace(LEASE, b"\xff{", expect=0)
    first, second = GuessDigest(), GuessDigest()
    await first.share(bus)
    await second.share(bus)
    assert first.of("alice", "wrong") == second.of("alice", "wrong")
