"""Whether Varco lets a mail pass whose forbidden file some parser shows."""

from collections.abc import Iterator
from datetime import UTC, datetime

from varco_common.events import Language, Rules
from varco_common.mail.ballot import Ballot
from varco_common.mail.envelope import Envelope
from varco_common.mime.scanner import scan_or_raise
from varco_policy.decide import decide
from varco_policy.extensions import EXECUTABLE
from varco_policy.file_names import extension
from varco_policy.model.account import Account

from .attacks import ATTACKS, PROGRAM
from .mutations import mutated
from .oracles import Oracle, Shown

_AT = datetime(2026, 1, 1, tzinfo=UTC)
_RULES = Rules(attachments=("bin", "eml", "html", "pdf", "png", "txt"))
_ACCOUNT = Account(name="x", language=Language.EN, opened_at=_AT, senders={"a@b.example": _AT}, rules=_RULES)
_ENVELOPE = Envelope(
    id="0" * 20, account="x", sender="a@b.example", host="192.0.2.1", received_at=_AT, recipients=("c@d.example",)
)


def passes(mail: bytes) -> bool:
    """Whether policy lets the mail pass, which comes with CRLF and without dot-stuffing."""
    stuffed = (b"." + mail if mail.startswith(b".") else mail).replace(b"\r\n.", b"\r\n..")
    return not decide(Ballot(envelope=_ENVELOPE, manifest=scan_or_raise(stuffed)), _ACCOUNT).reason


def forbidden(shown: Shown) -> bool:
    """A name or a content. A file with nothing in it harms nobody."""
    if not shown.content:
        return False
    return extension(shown.name) in EXECUTABLE or shown.content.startswith(PROGRAM[:4])


def mutations(count: int, first: int = 0) -> Iterator[tuple[int, bytes]]:
    """Numbers, each with its mail: the number alone decides it."""
    for number in range(first, first + count):
        yield number, mutated(ATTACKS[number % len(ATTACKS)], str(number))


def betrayals(oracle: Oracle, mails: list[tuple[int, bytes]]) -> Iterator[tuple[int, Shown]]:
    """The numbers of the passed mails in which the parser shows something forbidden."""
    for number, mail in mails:
        yield from ((number, shown) for shown in oracle(mail) if forbidden(shown))
