"""Every accepted mail is accounted for. A mail erased from the store is named as lost."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.integration.conftest import Hop
from tests.integration.gate import Gate, mail, transact, wait_for
from varco_cli.stack.bus import operator
from varco_common.bus.streams import manager
from varco_common.events import MailDeferred

DOWN = 'account: acme\nroute: {smarthost: "127.0.0.1:1", tls: none}\n'
COPIED = """\
account: acme
archive: {forward: boss@acme.test, senders_told: "a test"}
"""


def balance(gate: Gate) -> dict[str, Any]:
    done = gate.varco("audit", "balance", "--json")
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert all(line["balanced"] for line in found["lines"])
    assert (done.returncode == 1) == bool(found["unaccounted"])
    return found


def sums(found: dict[str, Any], kind: str) -> Counter[str]:
    total: Counter[str] = Counter()
    for line in found["lines"]:
        if line["kind"] == kind:
            total.update({name: value for name, value in line.items() if isinstance(value, int) and name != "balanced"})
    return +total


def test_the_balance_names_what_was_lost(own_gate: Callable[..., Gate], hop: Hop) -> None:
    gate = own_gate()
    gate.apply(COPIED)
    with gate.smtp() as client:
        for recipients in (["one@dest.test"], ["two@dest.test", "three@dest.test"]):
            assert transact(client, "alice@acme.test", recipients, mail("alice@acme.test"))[0] == 250
    wait_for(lambda: sums(balance(gate), "mail") == {"accepted": 3, "delivered": 3}, 60)
    wait_for(lambda: sums(balance(gate), "copy") == {"accepted": 2, "delivered": 2}, 60)

    gate.apply(DOWN)
    with gate.smtp() as client:
        assert transact(client, "alice@acme.test", ["later@dest.test"], mail("alice@acme.test"))[0] == 250
        assert transact(client, "alice@acme.test", ["lost@dest.test"], mail("alice@acme.test"))[0] == 250
    wait_for(lambda: sums(balance(gate), "mail") == {"accepted": 5, "delivered": 3, "in_flight": 2}, 60)
    sequence = asyncio.run(erase_last(gate))
    found = wait_for(lambda: got if (got := balance(gate))["unaccounted"] else None, 60)
    assert found
    named = {one["recipients"][0]: one for one in found["unaccounted"]}
    assert named["lost@dest.test"]["why"] == "its record is gone from MAIL"
    assert sequence in {one["sequence"] for one in found["unaccounted"]}
    assert "later@dest.test" not in named
    assert "lost@dest.test" in gate.varco("audit", "balance").stdout
    assert not [event for event in gate.events("mail-expired") if not isinstance(event, MailDeferred)]


async def erase_last(gate: Gate) -> int:
    """Erases the last accepted mail's record from MAIL, and returns its sequence."""
    async with manager(operator(gate.home, "127.0.0.1", gate.ports.nats)) as raw:
        stream = raw.jetstream()
        sequence = (await stream.get_last_msg("MAIL", "mail.accepted.acme")).seq
        assert sequence
        assert await stream.delete_msg("MAIL", sequence)
        return sequence
