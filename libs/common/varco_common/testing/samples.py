"""Sample events, records and ballots for tests that only need some."""

from datetime import UTC, datetime

from varco_common.base.ids import new_id
from varco_common.events import AuthCause, AuthFailed
from varco_common.mail.ballot import Ballot
from varco_common.mail.envelope import Envelope
from varco_common.mail.record import BodyReference, MailAccepted
from varco_common.mime import Manifest

AT = datetime(2026, 11, 24, 9, tzinfo=UTC)


def failed(number: int, host: str = "192.0.2.7") -> AuthFailed:
    return AuthFailed(at=AT, host=host, login=f"login-{number}", cause=AuthCause.WRONG_CREDENTIALS)


def envelope(account: str = "acme") -> Envelope:
    return Envelope(
        id=new_id(),
        account=account,
        sender="alice@acme.example",
        recipients=("bob@partner.example",),
        host="192.0.2.7",
        received_at=AT,
    )


def record(body: bytes = b"", account: str = "acme") -> MailAccepted:
    return MailAccepted(envelope=envelope(account), manifest=Manifest(), votes=(), body=BodyReference(size=len(body)))


def ballot() -> Ballot:
    return Ballot(envelope=envelope(), manifest=Manifest())
