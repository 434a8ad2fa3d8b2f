"""relay's projections, which `varco replay rebuild relay` builds anew, and the tables it copies."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from varco_common.bus import Bus
from varco_common.eventsourcing.account_texts import ACCOUNT_TEXTS
from varco_common.eventsourcing.rebuild.rebuildable import (
    ComparedTable,
    FoldedProjection,
    RebuildableTables,
    RebuildSink,
)
from varco_relay.dkim.domains import SIGNING_DOMAINS
from varco_relay.model import account_route, queue, route_rules, sts_policy
from varco_relay.oauth import token_store
from varco_relay.settings import Settings
from varco_relay.tls_reports import results


class TakenOver(RebuildableTables):
    """A table that no event makes again: all of its rows are copied."""

    def __init__(self, table: sa.Table) -> None:
        self.name, self._table = table.name, table

    async def build(
        self,
        bus: Bus,  # noqa: ARG002 - nothing is read
        fresh: AsyncEngine,  # noqa: ARG002
        until: int,  # noqa: ARG002
        on_progress: RebuildSink,  # noqa: ARG002
    ) -> Sequence[ComparedTable]:
        return [ComparedTable(name=self.name, table=self._table, key=("key",), beyond=sa.true())]


SETTINGS = Settings
PROJECTIONS = (
    FoldedProjection(account_route.PROJECTION),
    FoldedProjection(route_rules.PROJECTION),
    FoldedProjection(sts_policy.PROJECTION),
    FoldedProjection(queue.PROJECTION),
    FoldedProjection(ACCOUNT_TEXTS),
    FoldedProjection(SIGNING_DOMAINS),
    TakenOver(token_store.table),  # a refresh token that the provider has replaced can't be asked for again
    TakenOver(results.table),
)
