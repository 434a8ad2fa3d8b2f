"""Each service, then the bus, restarts under traffic. Every mail answered 250 arrives once."""

from collections import Counter
from collections.abc import Callable

import pytest

from tests.integration.conftest import Hop
from tests.integration.gate import Gate, wait_for
from tests.traffic import Sender

RECIPIENT = "rolling@dest.test"


@pytest.mark.timeout(400)
def test_a_rolling_restart_loses_nothing(own_gate: Callable[..., Gate], hop: Hop) -> None:
    gate = own_gate()
    before = {name: gate.pid(name) for name in gate.json("status")["processes"]}
    with Sender(gate.smtp, "a@acme.test", RECIPIENT) as sender:
        wait_for(lambda: len(sender.answered) > 20)
        done = gate.varco("restart", timeout=300)
        assert done.returncode == 0, done.stderr
        done = gate.varco("restart", "nats", timeout=100)
        assert done.returncode == 0, done.stderr
        count = len(sender.answered)
        wait_for(lambda: len(sender.answered) > count + 20, 60)
    assert {name for name, pid in before.items() if gate.pid(name) == pid} == set()
    wait_for(lambda: subjects(hop).keys() >= sender.answered, 60)
    times = subjects(hop)
    assert {subject for subject in sender.answered if times[subject] != 1} == set()
    assert set(times) <= sender.answered | sender.unsure, "what was answered 4xx didn't go"


def subjects(hop: Hop) -> Counter[str]:
    lines = (line for one in hop.server.for_recipient(RECIPIENT) for line in one.body.split(b"\r\n"))
    return Counter(line[9:].decode() for line in lines if line.startswith(b"Subject: "))
