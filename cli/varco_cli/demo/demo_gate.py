"""What the rows of the demo send with: ports and logins of the gate, and an SMTP client."""

import re
import smtplib
import ssl
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import NamedTuple

from varco_common.base.ids import ALPHABET, LENGTH

LOGIN, PASSWORD = "alice@acme.example", "a-long-secret"
MAILBOX, MAILBOX_PASSWORD = "archive@acme.example", "another-secret"
LIMIT = 10  # recipients of one mail of account acme
QUOTA = 15  # messages a day of each sender of acme: more than the other rows send
HEAVY = 1_000_000  # bytes; larger attachments of account studio become links
TRUSTED = "127.0.0.2"  # may send for acme without AUTH

_ID = re.compile(rf"\b[{ALPHABET}]{{{LENGTH}}}\b")

# The accounts of the demo, as in account files. The route of acme is the next hop of the demo.
ACME = {
    "language": "en",
    "users": [{"login": LOGIN, "password": PASSWORD}],
    "senders": ["@acme.example"],
    "networks": [TRUSTED],
    "rules": {"max_size": "1MB", "max_recipients": LIMIT, "attachments": {"allow": ["pdf", "txt", "jpg", "png"]}},
}
QUOTAS = {
    "messages": {"limit": QUOTA, "per": "1 day"},
    "exceptions": [{"sender": "news@acme.example", "messages": "unlimited", "reason": "the newsletter"}],
}
ARCHIVE = {
    "pop3": {"login": MAILBOX, "password": MAILBOX_PASSWORD},
    "senders_told": "for the demo",
}
LIST = {
    "language": "en",
    "users": [{"login": "list@list.example", "password": PASSWORD}],
    "senders": ["@list.example"],
    "rules": {"max_recipients": 300},
}
CLOUD_LOGIN = "printer@cloud.example"  # keeps its password; the gate shows a token to the next hop
CLOUD = {
    "language": "en",
    "users": [{"login": CLOUD_LOGIN, "password": PASSWORD}],
    "senders": ["@cloud.example"],
}
STUDIO = {
    "language": "it",
    "users": [{"login": "studio@studio.example", "password": PASSWORD}],
    "senders": ["@studio.example"],
    "rules": {"max_size": "1MB", "attachments": {"allow": ["pdf"]}},
}


class SmtpAnswer(NamedTuple):
    """The gate's deciding answer. `taken` is the number of recipients that it accepted."""

    code: int
    text: str
    taken: int = 0

    @property
    def decision(self) -> str:
        """Returns the mail id in the answer; empty where no mail had begun."""
        ids = _ID.findall(self.text)
        return ids[-1] if ids else ""


class DemoRow(NamedTuple):
    """A mail. The demo fails where its answer doesn't begin with `expect`."""

    title: str
    expect: str
    send: Callable[["DemoGate"], SmtpAnswer]


class DemoGate(NamedTuple):
    """The gate of the demo. Its methods block, so rows run in a thread."""

    host: str
    submission: int
    smtp: int
    pop3s: int
    certificate: Path

    def connect(self, port: int = 0, source: str = "") -> smtplib.SMTP:
        """Returns a connection after STARTTLS. Checks the certificate."""
        client = smtplib.SMTP(
            self.host, port or self.submission, timeout=30, source_address=(source, 0) if source else None
        )
        client.starttls(context=ssl.create_default_context(cafile=str(self.certificate)))
        client.ehlo()
        return client

    def submit(
        self,
        mail: bytes,
        *,
        login: str = LOGIN,
        sender: str = LOGIN,
        recipients: Sequence[str] = ("bob@elsewhere.example",),
        source: str = "",
        declared: int = 0,
    ) -> SmtpAnswer:
        """Sends a mail in its own session; without AUTH where `login` is empty.

        `declared` is the SIZE to announce; 0 for none.
        """
        with self.connect(self.smtp if source else 0, source) as client:
            if login:
                client.login(login, PASSWORD)
            code, text = client.mail(sender, [f"size={declared}"] if declared else [])
            if code != 250:
                return answer(code, text)
            refused = [reply for reply in map(client.rcpt, recipients) if reply[0] != 250]
            if len(refused) == len(recipients):
                return answer(*refused[0])
            last = answer(*client.data(mail))
        taken = len(recipients) - len(refused) if last.code == 250 else 0
        if not refused:
            return last._replace(taken=taken)
        some = answer(*refused[0])
        return some._replace(text=f"{some.text}\nto the {taken} others: {last.code} {last.text}", taken=taken)


def answer(code: int, text: bytes) -> SmtpAnswer:
    """Converts an answer of smtplib.

    Of several lines only the first keeps its enhanced code, which RFC 2034 4 repeats in each.
    """
    first, *others = text.decode(errors="replace").split("\n")
    enhanced = first.partition(" ")[0]
    lines = [first, *(line.removeprefix(enhanced).strip() for line in others)]
    return SmtpAnswer(code, "\n".join(lines))


def message(subject: str, *, sender: str = LOGIN, attach: tuple[str, str, bytes] | None = None) -> bytes:
    """Returns an ordinary mail. `attach` has a file name, a media type and the content."""
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"], mail["Subject"] = sender, "bob@elsewhere.example", subject
    mail.set_content("Dear Bob,\n\nhere it is.\n\nAlice\n")
    if attach:
        name, kind, content = attach
        main, _, sub = kind.partition("/")
        mail.add_attachment(content, maintype=main, subtype=sub, filename=name)
    return mail.as_bytes()
