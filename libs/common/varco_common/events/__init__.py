"""Every event of Varco: one closed union, one module for each service that publishes.

A module ends with the union of its events: add a new event there, and nowhere else.
"""

from collections.abc import Callable
from functools import cache

import msgspec

from varco_common.base.json_decoding import decode_json
from varco_common.events.archive import *
from varco_common.events.audit import *
from varco_common.events.banguard import *
from varco_common.events.base import *
from varco_common.events.console import *
from varco_common.events.domains import *
from varco_common.events.filelink import *
from varco_common.events.ingress import *
from varco_common.events.oauth import *
from varco_common.events.parked import *
from varco_common.events.policy import *
from varco_common.events.ratelimit import *
from varco_common.events.relay import *
from varco_common.mail.notice_texts import Language as Language
from varco_common.mail.notice_texts import Notice as Notice

AnyEvent = (
    AnyIngressEvent
    | RecordParked
    | AnyBanguardEvent
    | AnyPolicyEvent
    | AnyRelayEvent
    | AnyRatelimitEvent
    | AnyDomainEvent
    | AnyFilelinkEvent
    | AnyArchiveEvent
    | AnyAuditEvent
    | AnyConsoleEvent
)

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AnyEvent)


def encode_event(event: Event) -> bytes:
    """JSON with the wire name under `type`."""
    return _encoder.encode(event)


def decode_event(data: bytes) -> AnyEvent:
    """Raises msgspec.DecodeError on an unknown type or a broken event.

    Unknown fields are ignored.
    """
    event: AnyEvent = decode_json(_decoder, data)
    return event


def decode_authenticated(subject: str, data: bytes, decode: Callable[[bytes], AnyEvent] = decode_event) -> AnyEvent:
    """As `decode` does it, of a message stored at `subject`. Raises msgspec.DecodeError.

    The bus lets a service publish below its own name only. So an event of one service that stands
    below the name of another is forged, and refused.
    """
    event = decode(data)
    # RecordParked and AuthFailed stand below the name of the service that publishes them
    usual = subject.startswith(_place(type(event))) and not isinstance(event, RecordParked)
    if not usual and subject != event.subject:
        raise msgspec.ValidationError(f"{type(event).__name__} isn't said at {subject}")
    return event


@cache
def _place(kind: type[Event]) -> str:
    return kind.subject_filter("")
