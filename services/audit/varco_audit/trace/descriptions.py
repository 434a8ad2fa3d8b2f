"""Describes an event of a mail to a reader who knows mail. Pure."""

from datetime import datetime

from varco_audit.trace.model import StepTone
from varco_audit.trace.sentences import Sentences
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
    ReputationChanged,
    RouteFailed,
    SenderNotified,
    readable_link,
    wire_name,
)
from varco_common.mail.notice_texts import Language
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


def describe(event: AnyEvent, part: str, language: Language = Language.EN) -> Description:
    """`part` is "notification" or "copy" if the step is not the mail's own; else it is empty."""
    t = Sentences(language)
    return _describe_delivery(event, t, t(f"whose_{part}") if part else "")


def _describe_delivery(event: AnyEvent, t: Sentences, whose: str) -> Description:  # noqa: PLR0911 - a case for each fact
    match event:
        case MailRecorded():
            return _recorded(event, t)
        case MailRefused(answer=answer):
            return _bad(t("refused"), _quoted(answer))
        case MailDelivered():
            tls, names, tried = f" ({event.tls})" if event.tls else "", _names(event.recipients, t), event.attempt
            to = t("delivered", whose=whose, names=names, host=event.host, tls=tls, attempt=_attempt(tried, t))
            return _good(to, _quoted(event.answer), _route(event.route, t), event.dkim)
        case MailDeferred():
            what = t("deferred", whose=whose, attempt=_attempt(event.attempt, t), host=event.host)
            later = t("next_try", at=_time(event.next_at))
            return _waits(what, *_failures(event.failures, t), _route(event.route, t), event.dkim, later)
        case MailBounced():
            host = event.host or t("the_gate")
            return _undelivered(t("bounced", whose=whose, host=host, attempt=_attempt(event.attempt, t)), event, t)
        case MailExpired():
            return _undelivered(t("given_up", whose=whose, number=event.attempt), event, t)
        case MailDropped():
            by = f"{event.by}: {event.reason}" if event.by or event.reason else ""
            return _bad(t("dropped", whose=whose, names=_names(event.recipients, t)), by)
        case MailHeld() | MailReleased() | MailRetryRequested():
            verb = {MailHeld: "held", MailReleased: "released", MailRetryRequested: "retried"}
            return _told(t(verb[type(event)], whose=whose), event.by, event.reason)
        case SenderNotified():
            return _told(t("notifying"), t("notification", id=event.dsn))
    return _describe_related(event, t)


def _describe_related(event: AnyEvent, t: Sentences) -> Description:  # noqa: C901, PLR0911, PLR0912 - a case for each fact
    """Events that are neither the decision nor a delivery."""
    match event:
        case RecipientRefused():
            return _bad(t("recipient_refused", recipient=event.recipient), _quoted(event.answer))
        case AttachmentLinked():
            what = t("linked", name=event.name, size=_size(event.size), at=_time(event.expires_at))
            return _told(what, t("link", id=readable_link(event.link)), f"sha256 {event.sha256}")
        case LinkDownloaded():
            amount = t("whole") if event.complete else t("part_of_it", size=_size(event.sent))
            return _good(t("downloaded", host=event.host, amount=amount), t("link", id=readable_link(event.link)))
        case LinkExtended():
            return _told(t("link_extended", at=_time(event.expires_at)), t("link", id=readable_link(event.link)))
        case LinkExpired():
            return _told(t("link_expired"), t("link", id=readable_link(event.link)))
        case LinkRevoked():
            return _told(t("link_revoked"), t("link", id=readable_link(event.link)), event.reason)
        case CopyForwarded():
            return _good(t("copy_forwarded", address=event.address), t("copy", id=event.copy))
        case CopyBounced():
            return _bad(t("copy_bounced", address=event.address), _quoted(event.answer))
        case CopyRemoved():
            return _told(t("copy_removed", why=t(f"removed_{event.cause.value}")))
        case RouteFailed():
            return _waits(t("route_failed", host=event.host), _quoted(event.why))
        case DeliveryHeld():
            return _waits(t("all_held"), event.by, event.reason)
        case ReputationChanged():
            bad = [f"{finding.check}: {finding.text}" for finding in event.findings if finding.colour is Colour.RED]
            return _told(t("reputation", domain=event.domain, colour=t(f"colour_{event.after.value}")), *bad)
        case QuotaNearlyReached() | QuotaExceeded():
            return _quota(event, t)
        case HostFound(strike=strike):
            return _bad(t("strike", host=strike.host, cause=strike.cause.value))
        case HostIgnored(strike=strike):
            return _told(t("no_strike", host=strike.host, ignored=event.ignored))
    return _told(wire_name(type(event)))


def _quota(event: QuotaNearlyReached | QuotaExceeded, t: Sentences) -> Description:
    what = t(
        "quota_exceeded" if isinstance(event, QuotaExceeded) else "quota_nearly",
        used=event.used,
        limit=event.limit.limit,
        meter=t(f"meter_{event.meter.value}"),
        period=t(f"period_{event.limit.per.name.lower()}"),
    )
    return _waits(what, t("sender", address=event.sender) if event.sender else t("whole_account"))


def _recorded(event: MailRecorded, t: Sentences) -> Description:
    place, record = t("record", sequence=event.sequence), event.record
    if isinstance(record, MailConverted):
        return _good(t.counted("rewritten", len(record.links)), place)
    match event.kind:
        case "convert":
            return _good(t.counted("to_convert", len(record.convert)), place)
        case "dsn":
            return _told(t("dsn_written", names=_names(record.envelope.recipients, t)), place)
        case "copy":
            return _told(t("copy_written", names=_names(record.envelope.recipients, t)), place)
    return _good(t("accepted"), place)


def _undelivered(what: str, event: MailBounced | MailExpired, t: Sentences) -> Description:
    why = _failures(event.failures, t)
    return _bad(what, *why, _route(event.route, t), event.dkim, _notification(event.dsn, t))


def _failures(failures: tuple[Failure, ...], t: Sentences) -> tuple[str, ...]:
    return tuple(
        f"{failure.recipient}: {t('gate_itself') if failure.by_gate else ''}{_quoted(failure.answer)}"
        for failure in failures
    )


def _route(route: str, t: Sentences) -> str:
    """Why it was this next hop; empty for the first one of the account's route."""
    return t("route", route=route) if route else ""


def _notification(dsn: str, t: Sentences) -> str:
    return t("owed", id=dsn) if dsn else t("null_sender")


def _attempt(attempt: int, t: Sentences) -> str:
    return t("attempt", number=attempt) if attempt > 1 else ""


def _names(addresses: tuple[str, ...], t: Sentences) -> str:
    first = ", ".join(addresses[:3])
    return first if len(addresses) <= 3 else t("and_more", first=first, number=len(addresses) - 3)


def _quoted(answer: str) -> str:
    return f"“{' / '.join(answer.split(chr(10)))}”".replace("\r", "")


def _size(size: int) -> str:
    return f"{size / 1e6:.2f} MB" if size >= 100_000 else units.format_size(size)


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
