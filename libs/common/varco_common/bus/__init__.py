"""The only door to NATS: appends, follows, pulls, questions and ballots.

Its modules are imported when a name of theirs is used: the supervisor of `varco up` needs only the
settings and the streams.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from varco_common.bus.bus import Bus
    from varco_common.bus.bus_settings import MAX_PAYLOAD, BusSettings
    from varco_common.bus.delivery import Delivery, MailReturned
    from varco_common.bus.durable_consumer import DurableConsumer
    from varco_common.bus.event_log import UNUSABLE, StoredEvent, UnreadableEvent
    from varco_common.bus.jetstream import StreamMessage
    from varco_common.bus.mail_stream import StoredRecord
    from varco_common.bus.mail_worker import MailWorker
    from varco_common.bus.stored_mail import MissingMail, StoredMail

_MODULES = {
    "MAX_PAYLOAD": "bus_settings",
    "UNUSABLE": "event_log",
    "Bus": "bus",
    "BusSettings": "bus_settings",
    "Delivery": "delivery",
    "DurableConsumer": "durable_consumer",
    "MailReturned": "delivery",
    "MailWorker": "mail_worker",
    "MissingMail": "stored_mail",
    "StoredEvent": "event_log",
    "StoredMail": "stored_mail",
    "StoredRecord": "mail_stream",
    "StreamMessage": "jetstream",
    "UnreadableEvent": "event_log",
}
__all__ = [
    "MAX_PAYLOAD",
    "UNUSABLE",
    "Bus",
    "BusSettings",
    "Delivery",
    "DurableConsumer",
    "MailReturned",
    "MailWorker",
    "MissingMail",
    "StoredEvent",
    "StoredMail",
    "StoredRecord",
    "StreamMessage",
    "UnreadableEvent",
]


def __getattr__(name: str) -> object:
    """PEP 562."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
