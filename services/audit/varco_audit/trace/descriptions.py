"""Describes an event of a mail to a reader who knows mail. Pure."""

from datetime import datetime

from varco_audit.trace.model import StepTone
from varco_common.base import units
from varco_common.events import (
    AnyEvent,
    AttachmentLinked,
    Colour,
    CopyBounced,
    CopyForwarded,
    CopyRemoved,
    DeliveryHeld,
    Failure,
    HostFound,
    HostIgnored,
    LinkDownloaded,
    LinkExpired,
    LinkExtended,
    LinkRevoked,
    MailBounced,
    MailDeferred,
    MailDelivered,
    MailDropped,
    MailExpired,
    MailHeld,
    MailRecorded,
    MailRefused,
    MailReleased,
    MailRetryRequested,
    QuotaExceeded,
    QuotaNearlyReached,
    RecipientRefused,
    RemovalCause,
    ReputationChanged,
    RouteFailed,
    SenderNotified,
    wire_name,
)
from varco_common.mail.record import MailConverted

Description = tuple[StepTone, str, tuple[str, ...]]  # tone, sentence, details


def _good(sentence: str, *details: str) -> Description:
    return StepTone.GOOD, sentence, tuple(filter(None, details))


def _bad(sentence: str, *details: str) -> Description:
    return StepTone.BAD, sentence, tuple(filter(None, details))


def _waits(sentence: str, *details: str) -> Description:
    return StepTone.WAITS, sentence, tuple(filter(None, details))


def _told(sentence: str, *details: str) -> Description:
    return StepTone.TOLD, sentence, tuple(filter(None, details))


_REMOVED = {
    RemovalCause.RETENTION: "its time was over",
    RemovalCause.CLIENT: "a POP3 client deleted it",
    RemovalCause.OPERATOR: "an operator removed it",
}


def describe(event: AnyEvent, part: str) -> Description:  # noqa: PLR0911 - a case for each fact
    """`part` is "notification" or "copy" if the step is not the mail's own; else it is empty."""
    whose = f"the {part}: " if part else ""
    match event:
        case MailRecorded():
            return _recorded(event)
        case MailRefused(answer=answer):
            return _bad("refused; nothing was kept", _quoted(answer))
        case MailDelivered():
            tls = f" ({event.tls})" if event.tls else ""
            to = f"{whose}{_names(event.recipients)}: delivered to {event.host}{tls}{_attempt(event.attempt)}"
            return _good(to, _quoted(event.answer), _route(event.route), event.dkim)
        case MailDeferred():
            what = f"{whose}not yet delivered{_attempt(event.attempt)}: {event.host}"
            next_try = f"next try at {_time(event.next_at)}"
            return _waits(what, *_failures(event.failures), _route(event.route), event.dkim, next_try)
        case MailBounced():
            what = f"{whose}refused for good by {event.host or 'the gate'}{_attempt(event.attempt)}"
            return _undelivered(what, event)
        case MailExpired():
            return _undelivered(f"{whose}given up after {event.attempt} attempts", event)
        case MailDropped():
            by = f"{event.by}: {event.reason}" if event.by or event.reason else ""
            return _bad(f"{whose}taken out of the queue by hand, undelivered: {_names(event.recipients)}", by)
        case MailHeld() | MailReleased() | MailRetryRequested():
            verb = {MailHeld: "held in the queue", MailReleased: "released", MailRetryRequested: "to be tried at once"}
            return _told(f"{whose}{verb[type(event)]} by hand", event.by, event.reason)
        case SenderNotified():
            return _told("the sender is being notified", f"notification {event.dsn}")
    return _describe_related(event)


def _describe_related(event: AnyEvent) -> Description:  # noqa: C901, PLR0911, PLR0912 - a case for each fact
    """Events that are neither the decision nor a delivery."""
    match event:
        case RecipientRefused():
            what = f"recipient {event.recipient} refused; the mail may go on with the others"
            return _bad(what, _quoted(event.answer))
        case AttachmentLinked():
            name = f'"{event.name}" ({_size(event.size)}) became a link until {_time(event.expires_at)}'
            return _told(name, event.url, f"sha256 {event.sha256}")
        case LinkDownloaded():
            amount = "whole" if event.complete else f"{_size(event.sent)} of it"
            return _good(f"the link was downloaded from {event.host} ({amount})", f"link {event.link}")
        case LinkExtended():
            return _told(f"the link lives until {_time(event.expires_at)}", f"link {event.link}")
        case LinkExpired():
            return _told("the link's time is over", f"link {event.link}")
        case LinkRevoked():
            return _told("the link was ended by hand", f"link {event.link}", event.reason)
        case CopyForwarded():
            return _good(f"a copy was sent on to {event.address}", f"copy {event.copy}")
        case CopyBounced():
            return _bad(f"the copy for {event.address} won't get there", _quoted(event.answer))
        case CopyRemoved():
            return _told(f"the copy in the mailbox was removed: {_REMOVED[event.cause]}")
        case RouteFailed():
            return _waits(f"the account's route is down, so its mail waits: {event.host}", _quoted(event.why))
        case DeliveryHeld():
            return _waits("all mail of the account is held by hand", event.by, event.reason)
        case ReputationChanged():
            bad = [f"{finding.check}: {finding.text}" for finding in event.findings if finding.colour is Colour.RED]
            return _told(f"the reputation of {event.domain} is {event.after.value} since then", *bad)
        case QuotaNearlyReached() | QuotaExceeded():
            how = "exceeded" if isinstance(event, QuotaExceeded) else "nearly reached"
            of = f"{event.used} of {event.limit.limit} {event.meter.value} per {event.limit.per.value}"
            return _waits(f"quota {how}: {of}", f"sender {event.sender}" if event.sender else "whole account")
        case HostFound(strike=strike):
            return _bad(f"a strike against host {strike.host}: {strike.cause.value}")
        case HostIgnored(strike=strike):
            return _told(f"no strike against host {strike.host}: {event.ignored} is ignored")
    return _told(wire_name(type(event)))


def _recorded(event: MailRecorded) -> Description:
    place, record = f"record {event.sequence} of stream MAIL", event.record
    if isinstance(record, MailConverted):
        return _good(f"rewritten: {_count(len(record.links), 'attachment')} left as links", place)
    match event.kind:
        case "convert":
            return _good(f"accepted and kept; {_count(len(record.convert), 'attachment')} to become links", place)
        case "dsn":
            return _told(f"a notification to {_names(record.envelope.recipients)} was written", place)
        case "copy":
            return _told(f"a copy for {_names(record.envelope.recipients)} was written", place)
    return _good("accepted and kept", place)


def _undelivered(what: str, event: MailBounced | MailExpired) -> Description:
    return _bad(what, *_failures(event.failures), _route(event.route), event.dkim, _notification(event.dsn))


def _failures(failures: tuple[Failure, ...]) -> tuple[str, ...]:
    return tuple(
        f"{failure.recipient}: {'the gate itself: ' if failure.by_gate else ''}{_quoted(failure.answer)}"
        for failure in failures
    )


def _route(route: str) -> str:
    """Why it was this next hop; empty for the first one of the account's route."""
    return f"route: {route}" if route else ""


def _notification(dsn: str) -> str:
    return f"the sender is owed notification {dsn}" if dsn else "nobody to notify: the null sender"


def _attempt(attempt: int) -> str:
    return f", attempt {attempt}" if attempt > 1 else ""


def _names(addresses: tuple[str, ...]) -> str:
    first = ", ".join(addresses[:3])
    return first if len(addresses) <= 3 else f"{first} and {len(addresses) - 3} more"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _quoted(answer: str) -> str:
    return f"“{' / '.join(answer.split(chr(10)))}”".replace("\r", "")


def _size(size: int) -> str:
    return f"{size / 1e6:.2f} MB" if size >= 100_000 else units.format_size(size)


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
