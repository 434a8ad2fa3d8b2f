"""Bans: what a host sees that failed three times, and that nobody else sees anything of it."""

import smtplib
import socket
import time

from varco_cli.demo.demo_gate import DemoGate, DemoRow, SmtpAnswer, answer, message
from varco_cli.demo.rows.login import plain

GUESSER, OTHER = "127.0.0.66", "127.0.0.67"
FAILURES = 3
_SECONDS = 10.0


def third_failure(gate: DemoGate) -> SmtpAnswer:
    """The last of three sessions stays open until the gate ends it."""
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
    """The gate hears of the ban within milliseconds."""
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
