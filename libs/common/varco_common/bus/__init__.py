"""The only door to NATS: appends, follows, pulls, questions and ballots."""

from varco_common.bus.bus import Bus
from varco_common.bus.delivery import Delivery, MailReturned
from varco_common.bus.durable_consumer import DurableConsumer
from varco_common.bus.event_log import UNUSABLE, RawEvent, StoredEvent, UnreadableEvent
from varco_common.bus.mail_stream import StoredRecord
from varco_common.bus.mail_worker import MailWorker
from varco_common.bus.settings import MAX_PAYLOAD, BusSettings
from varco_common.bus.stored_mail import MissingMail, StoredMail

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
    "RawEvent",
    "StoredEvent",
    "StoredMail",
    "StoredRecord",
    "UnreadableEvent",
]
