"""What the index contains of each event: who, to whom, which mail. Pure.

The payload itself stays in EVENTS.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from varco_audit.decoding import decode_once
from varco_common.bus import StreamMessage
from varco_common.events import (
    AnyEvent,
    CopyRemoved,
    HostBanned,
    HostFound,
    HostIgnored,
    HostUnbanned,
    MailRecorded,
    MailRefused,
    UnbanCause,
)
from varco_common.mail.envelope import Envelope
from varco_common.mail.record import MailAccepted
from varco_common.mime import Manifest

_ADDRESSES = ("recipient", "address")
_RELATED_IDS = ("dsn", "copy", "link")
_HOSTS = ("host", "network")


class IndexFields(NamedTuple):
    """What an event is about; a field that the event does not have is empty.

    Addresses and logins are in lower case. `mail` is the id of a mail, and of its decision.
    `others` are the ids of what was made of the mail (notifications, copies, links). If the event
    is about several mails, `others` are the ids of all of them.
    """

    account: str = ""
    mail: str = ""
    message_id: str = ""
    sender: str = ""
    host: str = ""
    login: str = ""
    recipients: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


class IndexRow(NamedTuple):
    """`sequence` is the event's place in EVENTS, `at_ms` its time there in ms since 1970."""

    sequence: int
    at_ms: int
    service: str
    fact: str
    fields: IndexFields


def index_row(raw: StreamMessage) -> IndexRow:
    """The row of any event. Of one that can't be decoded only the place is known."""
    _, service, fact, *_ = (*raw.subject.split(".", 3), "", "")
    return IndexRow(raw.sequence, raw.at // 1_000_000, service, fact, _decoded_fields(raw))


def _decoded_fields(raw: StreamMessage) -> IndexFields:
    try:
        return fields_of(decode_once(raw.payload)) if raw.own else IndexFields()
    except msgspec.DecodeError:
        return IndexFields()


def fields_of(event: AnyEvent) -> IndexFields:
    """Most events have fields of these names; those with a ballot or a strike nest them."""
    match event:
        case MailRecorded(record=MailAccepted(envelope=envelope, manifest=manifest)):
            return _of_ballot(envelope, manifest)
        case MailRecorded(record=record):
            return _of_ballot(record.envelope, Manifest())
        case MailRefused(ballot=ballot):
            return _of_ballot(ballot.envelope, ballot.manifest)
        case HostFound(strike=strike) | HostIgnored(strike=strike):
            account = strike.readers[0] if len(strike.readers) == 1 else ""
            sender, login = strike.sender.lower(), strike.login.lower()
            return IndexFields(account=account, mail=strike.mail, sender=sender, host=strike.host, login=login)
        case CopyRemoved(account=account, mails=mails):
            return IndexFields(account, mails[0]) if len(mails) == 1 else IndexFields(account, others=mails)
    return _of_names(event)


def _account_of_ban(event: AnyEvent) -> str:
    """Who ended a ban before its time, and their reason, may be another account's."""
    match event:
        case HostBanned(strikes=strikes):
            return _only_one(strike.readers for strike in strikes)
        case HostUnbanned(cause=UnbanCause.EXPIRED, accounts=accounts):
            return _only_one([accounts])
        case _:
            return ""


def _only_one(readers: Iterable[tuple[str, ...]]) -> str:
    """The account that is alone in each of them, so it may read all; empty if there is none."""
    match [*{*readers}]:
        case [(only,)]:
            return only
    return ""


def _of_ballot(envelope: Envelope, manifest: Manifest) -> IndexFields:
    return IndexFields(
        account=envelope.account,
        mail=envelope.id,
        message_id=bare_message_id(manifest.message_id),
        sender=envelope.sender.lower(),
        host=envelope.host,
        login=envelope.login.lower(),
        recipients=_lower(envelope.recipients),
    )


def _of_names(event: AnyEvent) -> IndexFields:
    def text(name: str) -> str:
        value = getattr(event, name, "")
        return value if isinstance(value, str) else ""

    several = getattr(event, "recipients", ())
    addresses = [text(name) for name in _ADDRESSES]
    addresses += [address for address in several if isinstance(address, str)] if isinstance(several, tuple) else []
    addresses += [failure.recipient for failure in getattr(event, "failures", ())]
    return IndexFields(
        account=text("account") or _account_of_ban(event),
        mail=text("mail"),
        sender=text("sender").lower(),
        host=next(filter(None, map(text, _HOSTS)), ""),
        login=text("login").lower(),
        recipients=_lower(filter(None, addresses)),
        others=tuple(filter(None, map(text, _RELATED_IDS))),
    )


def bare_message_id(message_id: str) -> str:
    """A Message-ID without its angle brackets."""
    return message_id.strip().removeprefix("<").removesuffix(">")


def _lower(addresses: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(address.lower() for address in addresses))
