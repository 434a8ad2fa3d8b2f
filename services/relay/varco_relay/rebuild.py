"""relay's projections, which `varco replay rebuild relay` builds anew."""

from varco_common.eventsourcing.account_texts import ACCOUNT_TEXTS
from varco_common.eventsourcing.rebuild.rebuildable import FoldedProjection
from varco_relay.dkim.domains import SIGNING_DOMAINS
from varco_relay.model import account_route, queue, route_rules, sts_policy
from varco_relay.settings import Settings

SETTINGS = Settings
PROJECTIONS = (
    FoldedProjection(account_route.PROJECTION),
    FoldedProjection(route_rules.PROJECTION),
    FoldedProjection(sts_policy.PROJECTION),
    FoldedProjection(queue.PROJECTION),
    FoldedProjection(ACCOUNT_TEXTS),
    FoldedProjection(SIGNING_DOMAINS),
)
