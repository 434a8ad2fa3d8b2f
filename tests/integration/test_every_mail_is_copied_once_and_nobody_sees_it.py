"""Every mail has one blind copy in the POP3 mailbox and one at the forwarding address.

This holds although archive is killed meanwhile.
"""

import contextlib
import email
import poplib
from collections import Counter
from typing import Any

from tests.integration.conftest import Hop
from tests.integration.gate import Gate, trusting, wait_for

BOX = ("box@copied.test", "another-secret")
FILE = f"""\
account: copied
senders: ["@copied.test"]
networks: ["127.0.7.0/24"]
route: {{{{smarthost: "127.0.0.1:{{port}}", tls: none}}}}
archive:
  pop3: {{{{login: {BOX[0]}, password: {BOX[1]}}}}}
  forward: boss@copied.test
  senders_told: "HR, 2026-11-02"
"""
COUNT = 12


def test_every_mail_is_copied_once_and_nobody_sees_it(gate: Gate, hop: Hop) -> None:
    gate.apply(FILE.format(port=hop.server.port))
    with gate.smtp("127.0.7.1") as client:
        for number in range(COUNT):
            text = f"From: a@copied.test\r\nSubject: copy {number}\r\n\r\n.a line\r\n"
            client.sendmail("a@copied.test", [f"to{number}@copied.elsewhere.test", "bcc@copied.elsewhere.test"], text)
            if number == COUNT // 2:
                gate.kill("archive")
    copies = wait_for(lambda: len(found) == COUNT and found if (found := fetched(gate)) else [], 60)
    subjects = Counter(copy["Subject"] for copy in copies)
    assert subjects == Counter(f"copy {number}" for number in range(COUNT))
    assert all("<bcc@copied.elsewhere.test>" in copy["X-Envelope-To"] for copy in copies)

    assert all(f"with ESMTP id {copy['X-Varco-Mail-Id']}" in " ".join(copy["Received"].split()) for copy in copies)

    forwarded = wait_for(lambda: len(got := hop.server.for_recipient("boss@copied.test")) == COUNT and got, 60)
    assert {mail.sender for mail in forwarded} == {""}
    for number in range(COUNT):
        (seen,) = hop.server.for_recipient(f"to{number}@copied.elsewhere.test")
        assert seen.sender == "a@copied.test"
        assert b"boss@" not in seen.body
        assert b"X-Envelope-To" not in seen.body
    wait_for(gate.ready)


class Box(poplib.POP3):
    """A POP3 session that closes its socket even where the server dies before its greeting."""

    file: Any = None
    sock: Any = None

    def __init__(self, port: int) -> None:
        try:
            super().__init__("127.0.0.1", port, timeout=20)
        except BaseException:
            self.close()
            raise


def fetched(gate: Gate) -> list[email.message.Message]:
    """Returns the contents of the mailbox; empty while archive is down."""
    try:
        with contextlib.closing(Box(gate.ports.pop3)) as box:
            box.stls(trusting())
            box.user(BOX[0])
            box.pass_(BOX[1])
            found = [email.message_from_bytes(b"\n".join(box.retr(n)[1])) for n in range(1, box.stat()[0] + 1)]
            box.quit()
    except (OSError, poplib.error_proto):
        return []
    return found
