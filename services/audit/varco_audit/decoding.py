"""Decodes each event once for all tables that take something from it."""

from functools import lru_cache

from varco_common.bus import StreamMessage
from varco_common.events import AnyEvent, decode_authenticated, decode_event

_KEPT = 500  # events: those that several tables write within the same quarter of a second
_MAX_KEPT_BYTES = 16 * 1024  # of one event; so all of them take some MB at most

_decode_kept = lru_cache(_KEPT)(decode_event)


def decode_once(payload: bytes) -> AnyEvent:
    """As `decode_event`. The feed gives all tables the same bytes, whose hash Python remembers."""
    return _decode_kept(payload) if len(payload) <= _MAX_KEPT_BYTES else decode_event(payload)


def decode_message(message: StreamMessage) -> AnyEvent:
    """Raises msgspec.DecodeError if it is no event, or not one of the service that appended it."""
    return decode_authenticated(message.subject, message.payload, decode_once)
