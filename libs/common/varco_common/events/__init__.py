"""Every fact that Varco can state: one closed union, one module for each service that speaks."""

from functools import cache

import msgspec

from varco_common.base import subjects
from varco_common.events.archive import (
    ArchiveEvent,
    CopyBounced,
    CopyEvent,
    CopyExported,
    CopyForm,
    CopyForwarded,
    CopyRemoved,
    CopySource,
    ForwardingSet,
    ForwardingStopped,
    MailboxClosed,
    MailboxOpened,
    RemovalCause,
    RetentionSet,
    SendersTold,
    SourceChosen,
)
from varco_common.events.audit import (
    CheckpointKeyRotated,
    CheckpointSigned,
    DeadLetterDropped,
    DeadLetterRedelivered,
    MailErased,
    MailRecorded,
)
from varco_common.events.banguard import (
    BanEvent,
    BanRules,
    BanRulesChanged,
    GateEvent,
    HostBanned,
    HostEvent,
    HostForgotten,
    HostFound,
    HostIgnored,
    HostUnbanned,
    LoginGuarded,
    NetworkIgnored,
    NetworkUnignored,
    Strike,
    StrikeCause,
    StrikesForgiven,
    UnbanCause,
)
from varco_common.events.base import AccountEvent, Event, fact, wire_name
from varco_common.events.filelink import (
    AttachmentLinked,
    Ending,
    FilelinkChosen,
    FilelinkEvent,
    FilelinkWithdrawn,
    LinkClosed,
    LinkDownloaded,
    LinkEvent,
    LinkExpired,
    LinkExtended,
    LinkRevoked,
)
from varco_common.events.ingress import (
    AuthCause,
    AuthFailed,
    ConnectionsRefused,
    MailRefused,
    RecipientRefused,
    RefusedConnections,
)
from varco_common.events.parked import RecordParked
from varco_common.events.policy import (
    AccountClosed,
    AccountOpened,
    Choice,
    CredentialAdded,
    CredentialRemoved,
    CredentialRenamed,
    CredentialUpgraded,
    CredentialUsed,
    HostsNamed,
    LanguageChosen,
    NetworkTrusted,
    NetworkWithdrawn,
    NoticeWithdrawn,
    NoticeWritten,
    PasswordChanged,
    PolicyEvent,
    Rules,
    RulesChanged,
    SenderAuthorised,
    SenderWithdrawn,
    TokenIssued,
    TokenRevoked,
)
from varco_common.events.ratelimit import (
    Limit,
    Limits,
    Meter,
    QuotaEvent,
    QuotaExceeded,
    QuotaExcepted,
    QuotaExceptionRemoved,
    QuotaNearlyReached,
    QuotaReset,
    Quotas,
    QuotaSaid,
    QuotaSet,
    Window,
)
from varco_common.events.relay import (
    Blackhole,
    Failure,
    MailBounced,
    MailDeferred,
    MailDelivered,
    MailDropped,
    MailExpired,
    MailHeld,
    MailOutcome,
    MailReleased,
    MailRetryRequested,
    Route,
    RouteFailed,
    RouteLearned,
    RouteRecovered,
    RouteRemoved,
    RouteSet,
    SenderNotified,
    Smarthost,
    TlsUse,
)
from varco_common.mail.notices import Language, Notice

AnyEvent = (
    AuthFailed
    | MailRefused
    | RecipientRefused
    | ConnectionsRefused
    | RecordParked
    | HostFound
    | HostIgnored
    | HostBanned
    | HostUnbanned
    | StrikesForgiven
    | HostForgotten
    | NetworkIgnored
    | NetworkUnignored
    | BanRulesChanged
    | LoginGuarded
    | AccountOpened
    | AccountClosed
    | LanguageChosen
    | HostsNamed
    | CredentialAdded
    | CredentialRenamed
    | PasswordChanged
    | CredentialUpgraded
    | CredentialRemoved
    | CredentialUsed
    | SenderAuthorised
    | SenderWithdrawn
    | NetworkTrusted
    | NetworkWithdrawn
    | RulesChanged
    | NoticeWritten
    | NoticeWithdrawn
    | TokenIssued
    | TokenRevoked
    | RouteSet
    | RouteRemoved
    | RouteLearned
    | RouteFailed
    | RouteRecovered
    | MailDelivered
    | MailDeferred
    | MailBounced
    | MailExpired
    | MailDropped
    | MailHeld
    | MailReleased
    | MailRetryRequested
    | SenderNotified
    | QuotaSet
    | QuotaExcepted
    | QuotaExceptionRemoved
    | QuotaReset
    | QuotaNearlyReached
    | QuotaExceeded
    | FilelinkChosen
    | FilelinkWithdrawn
    | AttachmentLinked
    | LinkExtended
    | LinkExpired
    | LinkRevoked
    | LinkClosed
    | LinkDownloaded
    | SendersTold
    | MailboxOpened
    | MailboxClosed
    | ForwardingSet
    | ForwardingStopped
    | RetentionSet
    | SourceChosen
    | CopyForwarded
    | CopyBounced
    | CopyRemoved
    | CopyExported
    | MailRecorded
    | CheckpointSigned
    | CheckpointKeyRotated
    | MailErased
    | DeadLetterRedelivered
    | DeadLetterDropped
)

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AnyEvent)


def encode_event(event: Event) -> bytes:
    """JSON with the wire name under `type`."""
    return _encoder.encode(event)


def decode_event(data: bytes) -> AnyEvent:
    """Raises msgspec.DecodeError on an unknown type or a broken event; unknown fields are ignored."""
    event: AnyEvent = _decoder.decode(data)
    return event


def decode_authenticated(subject: str, data: bytes) -> AnyEvent:
    """As `decode_event`, of what lies at `subject`: the bus lets a service publish under its own name alone.

    What it says there in another's name isn't so. Raises msgspec.DecodeError.
    """
    event = decode_event(data)
    # all services park, each at its own name; some events have more than one place
    usual = subject.startswith(_place(type(event))) and not isinstance(event, RecordParked)
    if not usual and subject != event.subject:
        raise msgspec.ValidationError(f"{type(event).__name__} isn't said at {subject}")
    return event


@cache
def _place(kind: type[Event]) -> str:
    return subjects.event(kind.SERVICE, fact(kind), "")


__all__ = [
    "AccountClosed",
    "AccountEvent",
    "AccountOpened",
    "AnyEvent",
    "ArchiveEvent",
    "AttachmentLinked",
    "AuthCause",
    "AuthFailed",
    "BanEvent",
    "BanRules",
    "BanRulesChanged",
    "Blackhole",
    "CheckpointKeyRotated",
    "CheckpointSigned",
    "Choice",
    "ConnectionsRefused",
    "CopyBounced",
    "CopyEvent",
    "CopyExported",
    "CopyForm",
    "CopyForwarded",
    "CopyRemoved",
    "CopySource",
    "CredentialAdded",
    "CredentialRemoved",
    "CredentialRenamed",
    "CredentialUpgraded",
    "CredentialUsed",
    "DeadLetterDropped",
    "DeadLetterRedelivered",
    "Ending",
    "Event",
    "Failure",
    "FilelinkChosen",
    "FilelinkEvent",
    "FilelinkWithdrawn",
    "ForwardingSet",
    "ForwardingStopped",
    "GateEvent",
    "HostBanned",
    "HostEvent",
    "HostForgotten",
    "HostFound",
    "HostIgnored",
    "HostUnbanned",
    "HostsNamed",
    "Language",
    "LanguageChosen",
    "Limit",
    "Limits",
    "LinkClosed",
    "LinkDownloaded",
    "LinkEvent",
    "LinkExpired",
    "LinkExtended",
    "LinkRevoked",
    "LoginGuarded",
    "MailBounced",
    "MailDeferred",
    "MailDelivered",
    "MailDropped",
    "MailErased",
    "MailExpired",
    "MailHeld",
    "MailOutcome",
    "MailRecorded",
    "MailRefused",
    "MailReleased",
    "MailRetryRequested",
    "MailboxClosed",
    "MailboxOpened",
    "Meter",
    "NetworkIgnored",
    "NetworkTrusted",
    "NetworkUnignored",
    "NetworkWithdrawn",
    "Notice",
    "NoticeWithdrawn",
    "NoticeWritten",
    "PasswordChanged",
    "PolicyEvent",
    "QuotaEvent",
    "QuotaExceeded",
    "QuotaExcepted",
    "QuotaExceptionRemoved",
    "QuotaNearlyReached",
    "QuotaReset",
    "QuotaSaid",
    "QuotaSet",
    "Quotas",
    "RecipientRefused",
    "RecordParked",
    "RefusedConnections",
    "RemovalCause",
    "RetentionSet",
    "Route",
    "RouteFailed",
    "RouteLearned",
    "RouteRecovered",
    "RouteRemoved",
    "RouteSet",
    "Rules",
    "RulesChanged",
    "SenderAuthorised",
    "SenderNotified",
    "SenderWithdrawn",
    "SendersTold",
    "Smarthost",
    "SourceChosen",
    "Strike",
    "StrikeCause",
    "StrikesForgiven",
    "TlsUse",
    "TokenIssued",
    "TokenRevoked",
    "UnbanCause",
    "Window",
    "decode_event",
    "decode_said",
    "encode_event",
    "fact",
    "wire_name",
]
