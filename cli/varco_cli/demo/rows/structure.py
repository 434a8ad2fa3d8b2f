"""Mails that two readers would understand differently."""

from varco_cli.demo.demo_gate import LOGIN, PASSWORD, DemoGate, DemoRow, SmtpAnswer, answer

HIDING = (
    b"From: alice@acme.example\r\nSubject: two boundaries\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="one"\r\nContent-Type: multipart/mixed; boundary="two"\r\n\r\n'
    b"--one\r\nContent-Type: text/plain\r\n\r\nhello\r\n--one--\r\n"
    b'--two\r\nContent-Type: application/zip; name="x.zip"\r\n\r\nPK\r\n--two--\r\n'
)
SMUGGLED = (
    b"From: alice@acme.example\r\nSubject: one\r\n\r\nhello\n.\nMAIL FROM:<ceo@acme.example>\n"
    b"RCPT TO:<bob@elsewhere.example>\nDATA\nFrom: ceo@acme.example\n\nsend money\r\n"
)


def two_boundaries(gate: DemoGate) -> SmtpAnswer:
    return gate.submit(HIDING)


def smuggled(gate: DemoGate) -> SmtpAnswer:
    """Sends the bytes directly, because smtplib would repair the line ends."""
    with gate.connect() as client:
        client.login(LOGIN, PASSWORD)
        client.mail(LOGIN)
        client.rcpt("bob@elsewhere.example")
        client.docmd("DATA")
        client.send(SMUGGLED + b".\r\n")
        return answer(*client.getreply())


ROWS = (
    DemoRow("a zip that only readers of the second Content-Type find", "554 5.7.1", two_boundaries),
    DemoRow("a second mail smuggled behind bare line ends", "550 5.6.11", smuggled),
)
