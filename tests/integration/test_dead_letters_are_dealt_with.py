"""Each service parks a record that it can't read; an operator drops it. The gate works on."""

import asyncio

from tests.integration.conftest import Hop
from tests.integration.gate import Gate, mail, transact, wait_for
from varco_cli.stack.bus import operator
from varco_common.bus.streams import manager


async def poison(gate: Gate) -> int:
    """Publishes a message in MAIL that is not a record, and returns its sequence."""
    async with manager(operator(gate.home, "127.0.0.1", gate.ports.nats)) as raw:
        return (await raw.jetstream().publish("mail.accepted.acme", b"no record")).seq


def test_a_poisoned_record_is_parked_shown_and_dropped(gate: Gate, hop: Hop) -> None:
    sequence = asyncio.run(poison(gate))
    services = ("archive", "audit", "relay")
    letters = [f"{service}.MAIL.{sequence}" for service in services]
    wait_for(lambda: {*letters} <= {one["id"] for one in gate.json("deadletters", "list")})
    shown = gate.json("deadletters", "show", letters[-1])
    assert (shown["consumer"], "not a mail record" in shown["unread"]) == ("relay-acme", True)
    with gate.smtp() as client:
        assert transact(client, "alice@acme.test", ["after@dest.test"], mail("alice@acme.test"))[0] == 250
    hop.mail_for("after@dest.test")
    again = gate.varco("deadletters", "redeliver", letters[-1])
    assert (again.returncode, "not a mail record" in again.stderr) == (1, True)
    assert gate.varco("deadletters", "drop", letters[-1]).returncode == 2, "a reason must be given"
    for letter in letters:
        assert gate.varco("deadletters", "drop", letter, "--reason", "a test").returncode == 0
    assert not {*letters} & {one["id"] for one in gate.json("deadletters", "list")}
    assert gate.varco("deadletters", "show", letters[0]).returncode == 1
    dropped = gate.events("dead-letter-dropped")
    assert {getattr(event, "service", "") for event in dropped} == {*services}
    assert gate.varco("audit", "balance").returncode == 0
