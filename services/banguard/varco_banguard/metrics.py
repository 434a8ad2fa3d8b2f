"""Metrics of banguard."""

from prometheus_client import Counter, Gauge

from varco_common.events import HostBanned, HostFound, HostIgnored, HostUnbanned, LoginStopped, StrikeCause, UnbanCause
from varco_common.mail.replies import Reply

_votes = Counter("varco_banguard_votes", "Votes cast, by reply.", ["reply"])
_strikes = Counter("varco_banguard_strikes", "Strikes that count, by cause.", ["cause"])
_ignored = Counter("varco_banguard_strikes_ignored", "Strikes of ignored networks, by cause.", ["cause"])
_unbans = Counter("varco_banguard_unbans", "Bans that ended, by cause.", ["cause"])

VOTES = {reply: _votes.labels(reply.value) for reply in (Reply.ACCEPTED, Reply.HOST_BANNED, Reply.LOGIN_STOPPED)}
STRIKES = {cause: _strikes.labels(cause.value) for cause in StrikeCause}
IGNORED = {cause: _ignored.labels(cause.value) for cause in StrikeCause}
UNBANS = {cause: _unbans.labels(cause.value) for cause in UnbanCause}
BANS = Counter("varco_banguard_bans", "Bans, in all.")
STOPS = Counter("varco_banguard_stops", "Logins stopped at a shared host, in all.")
STOPPED = Gauge("varco_banguard_stopped", "Logins that are stopped now.")
BANNED = Gauge("varco_banguard_banned", "Networks that are banned now.")
HOSTS = Gauge("varco_banguard_hosts", "Networks of which anything is remembered.")


def count_event(event: object) -> None:
    """Counts one of banguard's own events."""
    match event:
        case HostFound(strike=strike):
            STRIKES[strike.cause].inc()
        case HostIgnored(strike=strike):
            IGNORED[strike.cause].inc()
        case HostBanned():
            BANS.inc()
        case LoginStopped():
            STOPS.inc()
        case HostUnbanned(cause=cause):
            UNBANS[cause].inc()
        case _:
            pass
