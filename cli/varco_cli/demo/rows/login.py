"""Login: who may send."""

import smtplib
from base64 import b64encode

from varco_cli.demo.demo_gate import LOGIN, PASSWORD, DemoGate, DemoRow, SmtpAnswer, answer, message


def without_login(gate: DemoGate) -> SmtpAnswer:
    return gate.submit(message("hello"), login="")


def wrong_password(gate: DemoGate) -> SmtpAnswer:
    with gate.connect() as client:
        return answer(*client.docmd("AUTH", f"PLAIN {plain('a-guess')}"))


def in_clear(gate: DemoGate) -> SmtpAnswer:
    with smtplib.SMTP(gate.host, gate.submission, timeout=30) as client:
        client.ehlo()
        return answer(*client.docmd("AUTH", f"PLAIN {plain(PASSWORD)}"))


def plain(password: str) -> str:
    """Returns the SASL PLAIN response (RFC 4616 2)."""
    return b64encode(f"\0{LOGIN}\0{password}".encode()).decode()


ROWS = (
    DemoRow("no login, from a network that isn't trusted", "530 5.7.0", without_login),
    DemoRow("a wrong password", "535 5.7.8", wrong_password),
    DemoRow("the right password without TLS", "538 5.7.11", in_clear),
)
