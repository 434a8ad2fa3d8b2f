"""Bans: what a host sees after three failed logins, while other hosts see nothing of it."""

import smtplib
import socket
import time

from varco_cli.demo.demo_gate import DemoGate, DemoRow, SmtpAnswer, answer, message
from varco_cli.demo.rows.login import plain

GUESSER, OTHER = "127.0.0.66", "127.0.0.67"
FAILURES = 3
_SECONDS = 10.0


def third_failure(gate: DemoGate) -> SmtpAnswer:
    """Fails to log in three times. The last session stays open until the gate ends it."""
    wrong = f"PLAIN {plain('a-guess')}"
    for _ in range(FAILURES - 1):
        with gate.connect(gate.smtp, GUESSER) as client:
            client.docmd("AUTH", wrong)
    with gate.connect(gate.smtp, GUESSER) as client:
        client.docmd("AUTH", wrong)
        try:
            return answer(*client.getreply())
        except smtplib.SMTPServerDisconnected:
            return SmtpAnswer(0, "closed")


def banned(gate: DemoGate) -> SmtpAnswer:
    """Connects until the ban is in force, which takes milliseconds."""
    end = time.monotonic() + _SECONDS
    while (greeting := _greeting(gate)) and time.monotonic() < end:
        pass
    return answer(int(greeting[:3]), greeting[4:]) if greeting else SmtpAnswer(0, "closed before any greeting")


def _greeting(gate: DemoGate) -> bytes:
    with socket.create_connection((gate.host, gate.smtp), _SECONDS, (GUESSER, 0)) as client:
        try:
            return client.recv(200)
        except ConnectionResetError:
            return b""


def other(gate: DemoGate) -> SmtpAnswer:
    return gate.submit(message("hello"), source=OTHER)


ROWS = (
    DemoRow("a third failed login from one host: its session ends", "421 4.7.0", third_failure),
    DemoRow("the next connection from that host, which is banned now", "0 closed", banned),
    DemoRow("an ordinary mail from the host beside it", "250", other),
)
