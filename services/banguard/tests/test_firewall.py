"""varco-firewall on a real kernel, in network namespaces: what a banned client sees."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from services.banguard.tests.namespaces import CLIENT, CLIENT_V6, NEIGHBOUR, Namespaces, namespaces, why_not

from varco_banguard.firewall import ruleset
from varco_common.events.ban_table import ActiveBan, network_of
from varco_common.testing.running import public_key

SMTP, OTHER = 2525, 8025
REFUSED, CONNECTED = "ConnectionRefusedError", "connected"
_EVENT_APPENDER = Path(__file__).with_name("event_appender.py")

needs_namespaces = pytest.mark.skipif(bool(_why := why_not()), reason=_why)


class Gate:
    """Two listeners, a bus and the agent, all in the gate's namespace."""

    def __init__(self, places: Namespaces, home: Path) -> None:
        self.places, self.home = places, home
        self.agent: subprocess.Popen[bytes] | None = None
        self.helper: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [*self.places.gate, sys.executable, str(_EVENT_APPENDER), str(SMTP), str(OTHER)]
        self.helper = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self._answer()
        self.start_agent()

    def start_agent(self) -> None:
        key = public_key(self.home)
        own = {"VARCO_HOME": str(self.home), "VARCO_NATS_URL": self.url, "VARCO_TOKEN_PUBLIC_KEY_FILE": str(key)}
        own |= {"VARCO_SMTP_PORT": str(SMTP), "VARCO_SUBMISSION_PORT": "0", "VARCO_SMTPS_PORT": "0"}
        agent = Path(sys.executable).with_name("varco-firewall")
        self.agent = subprocess.Popen([*self.places.gate, str(agent)], env={**os.environ, **own})
        until(lambda: "chain input" in self.places.nft("list", "ruleset"), True)

    def append(self, **event: object) -> None:
        """Appends an event of banguard."""
        assert self.helper
        assert self.helper.stdin
        self.helper.stdin.write(json.dumps(event, default=str) + "\n")
        self.helper.stdin.flush()
        assert self._answer() == "appended"

    def ban(self, network: str, seconds: float | None = 3_600) -> None:
        now = datetime.now(UTC)
        end = (now + timedelta(seconds=seconds)).isoformat() if seconds else None
        self.append(type="host.banned.v1", at=now.isoformat(), network=network, until=end)

    def append_event(self, kind: str, network: str, **more: object) -> None:
        self.append(type=kind, at=datetime.now(UTC).isoformat(), network=network, **more)

    def sees(self, source: str, port: int = SMTP) -> str:
        return self.places.connect(source, port)

    def stop(self) -> None:
        if self.agent and self.agent.poll() is None:
            self.agent.send_signal(signal.SIGCONT)
            self.agent.terminate()
            self.agent.wait(10)
        if self.helper and self.helper.stdin and self.helper.stdout:
            self.helper.stdin.close()  # then it ends by itself, and its bus with it
            self.helper.wait(10)
            self.helper.stdout.close()

    def _answer(self) -> str:
        assert self.helper
        assert self.helper.stdout
        return self.helper.stdout.readline().strip()


def until(fact: Callable[[], object], value: object, seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while (found := fact()) != value:
        assert time.monotonic() < end, f"still {found!r}, not {value!r}"
        time.sleep(0.02)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    with namespaces() as places:
        gate = Gate(places, tmp_path)
        try:
            gate.start()
            yield gate
        finally:
            gate.stop()


@needs_namespaces
def test_a_banned_host_is_refused_by_the_kernel_and_nobody_else_is(gate: Gate):
    assert gate.sees(CLIENT) == CONNECTED
    gate.ban(CLIENT)
    until(lambda: gate.sees(CLIENT), REFUSED)
    assert gate.sees(CLIENT, OTHER) == CONNECTED
    assert gate.sees(NEIGHBOUR) == CONNECTED
    gate.append_event("host.unbanned.v1", CLIENT, cause="lifted")
    until(lambda: gate.sees(CLIENT), CONNECTED)


@needs_namespaces
def test_the_kernel_ends_a_ban_by_itself(gate: Gate):
    gate.ban(CLIENT, seconds=2)
    until(lambda: gate.sees(CLIENT), REFUSED)
    gate.agent.send_signal(signal.SIGSTOP)
    until(lambda: gate.sees(CLIENT), CONNECTED)
    gate.agent.send_signal(signal.SIGCONT)


@needs_namespaces
def test_ipv6_is_refused_by_its_64(gate: Gate):
    assert gate.sees(CLIENT_V6) == CONNECTED
    gate.ban("fd00:99:0:1::/64", seconds=None)
    until(lambda: gate.sees(CLIENT_V6), REFUSED)


@needs_namespaces
def test_networks_are_refused_but_for_what_is_ignored(gate: Gate):
    gate.ban("10.99.0.0/28")
    gate.ban("10.99.0.0/24")
    until(lambda: gate.sees(NEIGHBOUR), REFUSED)
    gate.append_event("network.ignored.v1", NEIGHBOUR)
    until(lambda: gate.sees(NEIGHBOUR), CONNECTED)
    assert gate.sees(CLIENT) == REFUSED
    gate.append_event("network.unignored.v1", NEIGHBOUR)
    until(lambda: gate.sees(NEIGHBOUR), REFUSED)


@needs_namespaces
def test_a_gateway_that_hides_clients_is_refused_by_no_ban(gate: Gate):
    gate.ban(NEIGHBOUR)
    gate.ban("10.99.0.0/24")
    until(lambda: gate.sees(NEIGHBOUR), REFUSED)
    gate.append(type="gateway.detected.v1", at=datetime.now(UTC).isoformat(), host=NEIGHBOUR)
    until(lambda: gate.sees(NEIGHBOUR), CONNECTED)
    assert gate.sees(CLIENT) == REFUSED


@needs_namespaces
def test_an_agent_that_died_takes_its_table_up_again_and_one_that_ends_removes_it_alone(gate: Gate):
    gate.places.nft("add", "table", "inet", "somebody")
    gate.ban(CLIENT)
    until(lambda: gate.sees(CLIENT), REFUSED)
    gate.agent.kill()
    gate.agent.wait()
    assert gate.sees(CLIENT) == REFUSED
    gate.append_event("host.unbanned.v1", CLIENT, cause="lifted")
    gate.start_agent()
    until(lambda: gate.sees(CLIENT), CONNECTED)
    gate.agent.terminate()
    assert gate.agent.wait(20) == 0
    assert gate.places.nft("list", "tables").split() == ["table", "inet", "somebody"]


def test_the_table_is_made_in_one_transaction_in_the_place_of_an_earlier_one():
    now = datetime.now(UTC)
    bans = [
        ActiveBan(network_of("192.0.2.7"), now + timedelta(seconds=90)),
        ActiveBan(network_of("198.51.100.0/24"), None),
    ]
    commands = ruleset.build([25, 587], bans, [network_of("127.0.0.1")], now)
    assert [next(iter(command)) for command in commands[:3]] == ["add", "delete", "add"]
    timed = [
        c["add"]["element"]
        for c in commands
        if "element" in c.get("add", {}) and c["add"]["element"]["name"] == "banned4"
    ]
    assert timed[-1]["elem"] == [{"elem": {"val": "192.0.2.7", "timeout": 90}}]
    assert all("varco" in str(command) for command in commands)


def test_a_ban_that_is_over_is_not_given_to_the_kernel():
    now = datetime.now(UTC)
    assert ruleset.ban_host(ActiveBan(network_of("192.0.2.7"), now), now) == []
