"""What the index keeps of an event, so that it is found: who, whom, which mail. Pure; the payload itself stays in EVENTS."""

from typing import NamedTuple

import msgspec

from varco_common.bus import RawEvent
from varco_common.events import (
    AnyEvent,
    CopyRemoved,
    HostFound,
    HostIgnored,
    MailRecorded,
    MailRefused,
    decode_event,
)
from varco_common.mail.envelope import Envelope
from varco_common.mail.record import MailAccepted
from varco_common.mime import Manifest

_ADDRESSES = ("recipient", "address")
_IDS = ("dsn", "copy", "link")  # ids of what came of the mail: found by them, too
_HOSTS = ("host", "network")


class IndexFields(NamedTuple):
    """What an event is about; empty where it says nothing of it. Addresses and logins are in lower case.

    `mail` is a mail's id, which is the decision's as well; `others` are ids of what came of it (notifications, copies,
    links), and of all mails where an event is about several.
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
    """An event's place and what is kept of it. `at_ms` is when the stream stored it, in milliseconds since 1970."""

    sequence: int
    at_ms: int
    service: str
    fact: str
    fields: IndexFields


def index_row(raw: RawEvent) -> IndexRow:
    """Of every event, even one that can't be read or that nobody said: its place is known."""
    _, service, fact, *_ = (*raw.subject.split(".", 3), "", "")
    return IndexRow(raw.sequence, raw.at // 1_000_000, service, fact, _read(raw))


def _read(raw: RawEvent) -> IndexFields:
    try:
        return fields_of(decode_event(raw.payload)) if raw.own else IndexFields()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return IndexFields()


def fields_of(event: AnyEvent) -> IndexFields:
    """By the names of its fields, where it isn't a ballot, a strike or a list of mails."""
    match event:
        case MailRecorded(record=MailAccepted(envelope=envelope, manifest=manifest)):
            return _of_ballot(envelope, manifest)
        case MailRecorded(record=record):
            return _of_ballot(record.envelope, Manifest())
        case MailRefused(ballot=ballot):
            return _of_ballot(ballot.envelope, ballot.manifest)
        case HostFound(strike=strike) | HostIgnored(strike=strike):
            of = strike.accounts[0] if len(strike.accounts) == 1 else ""
            sender, login = strike.sender.lower(), strike.login.lower()
            return IndexFields(account=of, mail=strike.mail, sender=sender, host=strike.host, login=login)
        case CopyRemoved(account=account, mails=mails):
            first = mails[0] if len(mails) == 1 else ""
            return IndexFields(account=account, mail=first, others=() if first else mails)
    return _by_names(event)


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


def _by_names(event: AnyEvent) -> IndexFields:
    named: dict[str, object] = {name: getattr(event, name) for name in event.__struct_fields__}
    addresses = [_text(named, name) for name in _ADDRESSES]
    addresses += _texts(named.get("recipients"))
    addresses += [one.recipient for one in getattr(event, "failures", ())]
    return IndexFields(
        account=_text(named, "account"),
        mail=_text(named, "mail"),
        sender=_text(named, "sender").lower(),
        host=next(filter(None, (_text(named, name) for name in _HOSTS)), ""),
        login=_text(named, "login").lower(),
        recipients=_lower(filter(None, addresses)),
        others=tuple(filter(None, (_text(named, name) for name in _IDS))),
    )


def bare_message_id(message_id: str) -> str:
    """A Message-ID without its angle brackets."""
    return message_id.strip().removeprefix("<").removesuffix(">")


def _text(named: dict[str, object], name: str) -> str:
    value = named.get(name, "")
    return value if isinstance(value, str) else ""


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, tuple) else []


def _lower(addresses: "tuple[str, ...] | filter[str]") -> tuple[str, ...]:
    return tuple(dict.fromkeys(address.lower() for address in addresses))
