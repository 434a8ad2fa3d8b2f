"""The only door to NATS: appends, follows, pulls, questions and ballots."""

from varco_common.bus.bus import Bus
from varco_common.bus.events import Raw, Stored, Unread
from varco_common.bus.mail import MissingMail, StoredMail
from varco_common.bus.mail import Record as MailRecord
from varco_common.bus.puller import Delivery, Puller
from varco_common.bus.settings import MAX_PAYLOAD, BusSettings

__all__ = [
    "MAX_PAYLOAD",
    "Bus",
    "BusSettings",
    "Delivery",
    "MailRecord",
    "MissingMail",
    "Puller",
    "Raw",
    "Stored",
    "StoredMail",
    "Unread",
]
