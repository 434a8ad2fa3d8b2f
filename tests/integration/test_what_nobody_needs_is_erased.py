"""A delivered and copied mail leaves no byte in the bus and the object store.

It is not erased before.
"""

import asyncio
import contextlib
import poplib
import random
from collections.abc import Callable
from datetime import timedelta

from tests.integration.conftest import Hop
from tests.integration.gate import Gate, mail, transact, trusting, wait_for
from varco_cli.stack.bus import operator
from varco_common.base.subjects import KINDS
from varco_common.bus import Bus
from varco_common.events import MailErased
from varco_common.storage.object_store import open_store
from varco_common.storage.settings import ObjectStoreSettings

BOX = ("box@kept.test", "another-secret")
FILE = f"""\
account: kept
senders: ["@kept.test"]
networks: ["127.0.8.0/24"]
route: {{{{smarthost: "127.0.0.1:{{port}}", tls: none}}}}
archive:
  pop3: {{{{login: {BOX[0]}, password: {BOX[1]}}}}}
  senders_told: "HR, 2026-11-02"
"""
LARGE = 600_000  # octets: beyond VARCO_INGRESS_INLINE


def needle() -> str:
    return f"needle{random.randbytes(12).hex()}"


def in_files(gate: Gate, text: str) -> int:
    """Counts the occurrences in the files of the bus, in header, body or event."""
    return sum(file.read_bytes().count(text.encode()) for file in (gate.home.path / "nats").rglob("*.blk"))


def send(gate: Gate, source: str, sender: str, recipient: str, body: str) -> None:
    with gate.smtp(source) as client:
        code, text = transact(client, sender, [recipient], mail(sender, body))
        assert code == 250, text


def erased(gate: Gate, account: str) -> int:
    """Returns how many records of the account are erased."""
    events = gate.events("mail-erased")
    return sum(event.count for event in events if isinstance(event, MailErased) and event.account == account)


def bodies(gate: Gate) -> list[str]:
    """Lists the bodies in the object store."""

    async def found() -> list[str]:
        blobs = open_store(ObjectStoreSettings(directory=gate.home.objects))
        try:
            return await blobs.keys(timedelta(0))
        finally:
            await blobs.close()

    return asyncio.run(found())


def in_mail(gate: Gate, account: str) -> list[int]:
    """Returns the sequences of the account's records in MAIL."""

    async def found() -> list[int]:
        async with Bus.connect(operator(gate.home, "127.0.0.1", gate.ports.nats), "operator") as bus:
            return [stored.sequence for kind in KINDS async for stored in bus.mail.read(kind, account, 0)]

    return sorted(asyncio.run(found()))


def emptied(gate: Gate) -> None:
    with contextlib.closing(poplib.POP3("127.0.0.1", gate.ports.pop3, timeout=20)) as box:
        box.stls(trusting())
        box.user(BOX[0])
        box.pass_(BOX[1])
        for number in range(1, box.stat()[0] + 1):
            box.dele(number)
        box.quit()


def test_what_is_delivered_and_collected_is_gone_to_the_last_byte(own_gate: Callable[..., Gate], hop: Hop) -> None:
    gate = own_gate(VARCO_AUDIT_ERASE_AFTER="0s", VARCO_INGRESS_INLINE="256 KB")
    gate.apply(FILE.format(port=hop.server.port))
    small, large = needle(), needle()
    send(gate, "127.0.8.1", "a@kept.test", "to@kept.elsewhere.test", f"{small}\r\n")
    send(
        gate, "127.0.8.1", "a@kept.test", "to@kept.elsewhere.test", f"{large}\r\n" + ("x" * 76 + "\r\n") * (LARGE // 78)
    )
    wait_for(lambda: len(hop.server.for_recipient("to@kept.elsewhere.test")) == 2)

    # an account without a mailbox keeps nothing once every recipient is settled, and 127.0.0.1 is
    # acme's
    hop.server.answer("later@dest.test", *["451 4.3.0 later"] * 1_000)
    send(gate, "127.0.0.1", "a@acme.test", "now@dest.test", "delivered\r\n")
    send(gate, "127.0.0.1", "a@acme.test", "later@dest.test", "deferred\r\n")
    send(gate, "127.0.0.1", "a@acme.test", "now@dest.test", "delivered as well\r\n")
    wait_for(lambda: erased(gate, "acme") == 2)
    [deferred] = in_mail(gate, "acme")

    # the copies are still in the mailbox
    assert (erased(gate, "kept"), len(in_mail(gate, "kept")), len(bodies(gate))) == (0, 2, 1)
    assert in_files(gate, small) == 1
    emptied(gate)
    wait_for(lambda: erased(gate, "kept") == 2, 60)
    wait_for(lambda: not in_files(gate, small), 60)
    wait_for(lambda: not bodies(gate), 60)
    assert in_mail(gate, "kept") == []

    # what waited is still delivered
    hop.server.script.pop("later@dest.test")
    [waiting] = gate.json("queue", "list")["mails"]
    assert gate.varco("queue", "retry", waiting["mail"]).returncode == 0
    assert b"deferred" in hop.mail_for("later@dest.test").body
    wait_for(lambda: in_mail(gate, "acme") == [])
    assert erased(gate, "acme") == 3
    assert deferred


def test_a_janitor_that_is_killed_again_and_again_erases_no_mail_too_soon(
    own_gate: Callable[..., Gate], hop: Hop
) -> None:
    gate = own_gate(VARCO_AUDIT_ERASE_AFTER="0s")
    gate.apply(FILE.format(port=hop.server.port))
    for number in range(40):
        source, sender = (("127.0.8.1", "a@kept.test"), ("127.0.0.1", "a@acme.test"))[number % 2]
        send(gate, source, sender, f"to{number}@killed.test", f"mail {number}\r\n")
        if number % 8 == 5:
            gate.kill("audit")
    for number in range(40):
        assert f"mail {number}\r\n".encode() in hop.mail_for(f"to{number}@killed.test").body
    wait_for(lambda: in_mail(gate, "acme") == [], 60)
    assert len(in_mail(gate, "kept")) == 20
    emptied(gate)
    wait_for(lambda: in_mail(gate, "kept") == [], 60)
    assert len(gate.events("copy-removed")) == 1
