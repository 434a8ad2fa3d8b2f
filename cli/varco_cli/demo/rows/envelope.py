"""The envelope: sender, recipients and size."""

from varco_cli.demo.demo_gate import LIMIT, TRUSTED, DemoGate, DemoRow, SmtpAnswer, message

MANY = 300  # the provider's test addresses, delivered to a black hole


def plain(gate: DemoGate) -> SmtpAnswer:
    return gate.submit(message("hello"))


def trusted(gate: DemoGate) -> SmtpAnswer:
    return gate.submit(message("from the office's printer"), login="", source=TRUSTED)


def unauthorised(gate: DemoGate) -> SmtpAnswer:
    return gate.submit(message("hello"), sender="alice@elsewhere.example")


def forged(gate: DemoGate) -> SmtpAnswer:
    return gate.submit(message("your bank account", sender="The Bank <security@bank.example>"))


def too_big(gate: DemoGate) -> SmtpAnswer:
    return gate.submit(message("all the photos"), declared=25_000_000)


def too_many(gate: DemoGate) -> SmtpAnswer:
    return gate.submit(message("to all"), recipients=[f"friend{n}@elsewhere.example" for n in range(LIMIT + 2)])


def to_the_black_hole(gate: DemoGate) -> SmtpAnswer:
    recipients = [f"test{number:03}@blackhole.example" for number in range(1, MANY + 1)]
    return gate.submit(
        message("a test", sender="list@list.example"),
        login="list@list.example",
        sender="list@list.example",
        recipients=recipients,
    )


ROWS = (
    DemoRow("an ordinary mail", "250", plain),
    DemoRow(f"the same from a trusted network ({TRUSTED}), without a login", "250", trusted),
    DemoRow("a sender that isn't authorised", "550 5.7.1", unauthorised),
    DemoRow("an authorised sender, but a forged From", "550 5.7.1", forged),
    DemoRow("25 MB declared, where 1 MB is the limit", "552 5.3.4", too_big),
    DemoRow(f"{LIMIT + 2} recipients, where {LIMIT} is the limit", "452 4.5.3", too_many),
    DemoRow(f"{MANY} recipients, on an account whose route is a black hole", "250", to_the_black_hole),
)
