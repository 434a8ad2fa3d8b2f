"""Every fact that Varco can state: one closed union, one module for each service that speaks."""

import msgspec

from varco_common.events.base import AccountEvent, Event, fact, wire_name
from varco_common.events.ingress import AuthCause, AuthFailed, ConnectionsRefused, MailRefused, RefusedConnections
from varco_common.events.parked import RecordParked

AnyEvent = AuthFailed | MailRefused | ConnectionsRefused | RecordParked

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AnyEvent)


def encode_event(event: Event) -> bytes:
    """JSON with the wire name under `type`."""
    return _encoder.encode(event)


def decode_event(data: bytes) -> AnyEvent:
    """Raises msgspec.DecodeError on an unknown type or a broken event; unknown fields are ignored."""
    return _decoder.decode(data)


__all__ = [
    "AccountEvent",
    "AnyEvent",
    "AuthCause",
    "AuthFailed",
    "ConnectionsRefused",
    "Event",
    "MailRefused",
    "RecordParked",
    "RefusedConnections",
    "decode_event",
    "encode_event",
    "fact",
    "wire_name",
]
