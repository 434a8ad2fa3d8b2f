"""Quotas: a sender over its limit, and a sender with an exception."""

from varco_cli.demo.demo_gate import QUOTA, DemoGate, DemoRow, SmtpAnswer, message

EAGER, EXCEPTED = "eager@acme.example", "news@acme.example"


def eager(gate: DemoGate) -> SmtpAnswer:
    for _ in range(QUOTA):
        gate.submit(message("hello", sender=EAGER), sender=EAGER)
    return gate.submit(message("hello again", sender=EAGER), sender=EAGER)


def excepted(gate: DemoGate) -> SmtpAnswer:
    for _ in range(QUOTA):
        gate.submit(message("the news", sender=EXCEPTED), sender=EXCEPTED)
    return gate.submit(message("more news", sender=EXCEPTED), sender=EXCEPTED)


ROWS = (
    DemoRow(
        f"one mail more than the {QUOTA} a day that a sender may send",
        f"450 4.7.1 <bob@elsewhere.example>... {EAGER} has exceeded {QUOTA} messages per 1 day",
        eager,
    ),
    DemoRow("the same for a sender with good reason", "250", excepted),
)
