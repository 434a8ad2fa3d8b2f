"""The projections of ratelimit, for `varco replay rebuild ratelimit`.

Mails are counted from MAIL's records.
"""

import time
from collections.abc import Sequence
from contextlib import aclosing

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from varco_common.bus import Bus
from varco_common.eventsourcing.account_texts import ACCOUNT_TEXTS
from varco_common.eventsourcing.rebuild.mail_reader import read_records
from varco_common.eventsourcing.rebuild.rebuildable import (
    ComparedTable,
    FoldedProjection,
    RebuildableTables,
    RebuildSink,
)
from varco_ratelimit import counted_mail_store
from varco_ratelimit.counted_record import COUNTED
from varco_ratelimit.counters import QuotaCounters
from varco_ratelimit.known_recipients import DAYS, KnownRecipients, day_of
from varco_ratelimit.mail_counter import MailCounter
from varco_ratelimit.model import QUOTAS
from varco_ratelimit.quota_windows import LONGEST
from varco_ratelimit.settings import Settings

_BATCH = 5_000
_OLDER = "rows that tell of mails before the first record that the streams still have can't be made from them"


class CountedMails(RebuildableTables):
    """The mails that count, and the recipients that each sender has written to."""

    name = counted_mail_store.PROGRESS

    async def build(
        self, bus: Bus, fresh: AsyncEngine, until: int, on_progress: RebuildSink
    ) -> Sequence[ComparedTable]:
        known = KnownRecipients()
        counter = MailCounter(bus, QuotaCounters(0), known)
        first, begun = 0, 0
        async with aclosing(read_records(bus, *COUNTED, until=until)) as records:
            async for record in records:
                first, begun = first or record.sequence, begun or record.at
                counter.count(record)
                if len(counter.unsaved) >= _BATCH:
                    await counted_mail_store.save(fresh, counter, known)
                    on_progress(record.sequence)
        counter.counted.advance(until)
        await counted_mail_store.save(fresh, counter, known)
        on_progress(until)
        return _compared(begun or int(time.time() * 1000), all_there=first == 1)


def _compared(begun: int, *, all_there: bool) -> list[ComparedTable]:
    """Rows that no longer count are deleted sooner or later, so they are not compared."""
    now = int(time.time() * 1000)
    nothing = sa.false()
    return [
        ComparedTable(
            name="counted",
            table=counted_mail_store.counted,
            key=("sequence",),
            where=counted_mail_store.counted.c.at >= now - LONGEST,
            beyond=nothing if all_there else counted_mail_store.counted.c.at < begun,
            note="" if all_there else _OLDER,
        ),
        ComparedTable(
            name="met",
            table=counted_mail_store.met,
            key=("pair",),
            where=counted_mail_store.met.c.day >= day_of(now) - DAYS,
            beyond=nothing if all_there else counted_mail_store.met.c.day <= day_of(begun),
            note="" if all_there else _OLDER,
        ),
    ]


SETTINGS = Settings
PROJECTIONS = (FoldedProjection(QUOTAS), FoldedProjection(ACCOUNT_TEXTS), CountedMails())
