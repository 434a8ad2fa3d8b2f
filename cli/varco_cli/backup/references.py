"""Which objects somebody refers to: the bodies of mails in MAIL, and the files that live links lead to."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import NamedTuple

import msgspec

from varco_common.base import subjects
from varco_common.bus import Bus, MissingMail
from varco_common.events import AttachmentLinked, LinkExpired, LinkRevoked
from varco_common.mail.record import decode_record
from varco_common.storage.object_store import BODIES, LINKS

_RECORDS = subjects.mail("*", "*")
_FACTS = tuple(kind.subject_filter() for kind in (AttachmentLinked, LinkExpired, LinkRevoked))


class ObjectReference(NamedTuple):
    """An object that must be in a backup.

    `why` names who needs it; `sequence` is its record's in MAIL, 0 for a link's.
    """

    bucket: str
    key: str
    sha256: str
    why: str
    sequence: int = 0


async def of_mails(bus: Bus) -> AsyncIterator[ObjectReference]:
    """The large bodies of all mails that are in MAIL now."""
    if not (last := await bus.mail.last_sequence(_RECORDS)):
        return
    async with aclosing(bus.mail.follow(_RECORDS)) as records:
        async for stored in records:
            try:
                record = decode_record(stored.record)
            except (msgspec.DecodeError, UnicodeDecodeError):
                record = None  # no record: who pulls it parks it
            if record and record.body.object:
                body, mail = record.body, record.envelope.id
                yield ObjectReference(BODIES, body.object, body.sha256, f"mail {mail}", stored.sequence)
            if stored.sequence >= last:
                return


async def of_links(bus: Bus) -> list[ObjectReference]:
    """The files of all links that are live now; links may share one."""
    live: dict[str, AttachmentLinked] = {}
    if not (last := await bus.events.last_sequence(*_FACTS)):
        return []
    async with aclosing(bus.events.follow(*_FACTS)) as events:
        async for stored in events:
            match stored.event:
                case AttachmentLinked() as made:
                    live[made.link] = made
                case LinkExpired() | LinkRevoked() as ended:
                    live.pop(ended.link, None)
            if stored.sequence >= last:
                break
    by_object = {made.object: made for made in live.values()}
    return [ObjectReference(LINKS, key, made.sha256, f"link {made.link}") for key, made in by_object.items()]


async def still(bus: Bus, reference: ObjectReference) -> bool:
    """Whether somebody needs it even now: it may have gone with its mail or link since it was looked for."""
    if reference.sequence:
        try:
            await bus.mail.get(reference.sequence)
        except MissingMail:
            return False
        return True
    return reference.key in {link.key for link in await of_links(bus)}
