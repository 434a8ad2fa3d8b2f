"""The blind copy: the archive's mailbox has the sent mail with all its recipients."""

import poplib
import ssl
import time

from varco_cli.demo.demo_gate import MAILBOX, MAILBOX_PASSWORD, DemoGate, DemoRow, SmtpAnswer, message

BLIND = "carol@elsewhere.example"
TIMEOUT_SECONDS = 10.0


def copied(gate: DemoGate) -> SmtpAnswer:
    sent = gate.submit(message("the contract"), recipients=["bob@elsewhere.example", BLIND])
    until = time.monotonic() + TIMEOUT_SECONDS
    while not (copies := _fetched(gate, sent.decision)) and time.monotonic() < until:
        time.sleep(0.1)
    detail = "with its blind recipient" if BLIND in copies else "without its blind recipient"
    text = f"the mailbox {MAILBOX} has a copy, {detail}" if copies else f"the mailbox {MAILBOX} has no copy"
    return sent._replace(code=sent.code if BLIND in copies else 0, text=f"{sent.text}\n{text}")


def _fetched(gate: DemoGate, mail: str) -> str:
    """Returns the newest copy if it is that of this mail, or else an empty text."""
    trusting = ssl.create_default_context(cafile=str(gate.certificate))
    box = poplib.POP3_SSL(gate.host, gate.pop3s, timeout=30, context=trusting)
    try:
        box.user(MAILBOX)
        box.pass_(MAILBOX_PASSWORD)
        count = box.stat()[0]
        text = b"\n".join(box.retr(count)[1]).decode() if count else ""
    finally:
        box.quit()
    return text if mail and mail in text else ""


ROWS = (DemoRow("a mail with a blind recipient, and its copy by POP3", "250", copied),)
