"""banguard, a voter and worker: turns strikes into bans, and refuses the mail of banned hosts."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from varco_banguard import api, metrics
from varco_banguard.account_choices import ACCOUNT_FILTERS
from varco_banguard.ban_expiry import BanExpiry
from varco_banguard.ban_log import BanLog
from varco_banguard.ban_log_file import BanLogFile
from varco_banguard.claimed_names import NAME_FILTERS
from varco_banguard.decide import VOTER
from varco_banguard.known_logins import LOGIN_FILTERS, NETWORK_FILTERS
from varco_banguard.projections import NAME, BanguardState
from varco_banguard.settings import Settings
from varco_banguard.strike_processor import INPUTS, StrikeProcessor
from varco_banguard.voter import BanguardVoter
from varco_common.base.settings import BrokenSetting
from varco_common.base.subjects import event, replay_frames, replay_request
from varco_common.base.tasks import run_in_background
from varco_common.events import GatewayDetected
from varco_common.events.ban_table import ENFORCER_STATUS
from varco_common.eventsourcing.account_texts import ACCOUNT_TEXTS
from varco_common.eventsourcing.replay.cases import mail_filters
from varco_common.runtime import service
from varco_common.runtime.parts import open_parts
from varco_common.runtime.service import Service

ALL = event(NAME, "*", "*")


async def serve(settings: Settings) -> None:
    """Votes once it has caught up; until then it does not answer, which is never a yes."""
    with _log_file(settings) as log_file:
        async with (
            open_parts(settings, NAME, replay="varco_banguard.replay") as (server, bus, engine),
            BanguardState(bus, engine, settings.never_banned).following() as state,
        ):
            metrics.BANNED.set_function(lambda: len(state.table))
            metrics.STOPPED.set_function(lambda: len(state.table.stops))
            metrics.HOSTS.set_function(lambda: len(state.hosts))
            state.hosts.on_event(lambda _, event: metrics.count_event(event))
            ban_log = BanLog(bus, log_file, service.draining())
            server.include(api.router(bus, state, ban_log))
            async with run_in_background(StrikeProcessor(bus, state).run(), BanExpiry(state).run(), ban_log.run()):
                await bus.voting.serve(VOTER, BanguardVoter(state))
                await server.serve(bus, database=state.hosts.check, gateway=state.check_gateways)


@contextmanager
def _log_file(settings: Settings) -> Iterator[BanLogFile | None]:
    """Opens the file of the ban log, if there is to be one, and closes it in the end."""
    if not settings.log_path:
        yield None
        return
    try:
        file = BanLogFile(settings.log_path)
    except OSError as error:
        expected = f"a file that can be written ({error.strerror})"
        raise BrokenSetting("VARCO_BANGUARD_LOG_FILE", settings.log_path, expected) from None
    with closing(file):
        yield file


SERVICE = Service(
    name=NAME,
    role=("voter", "worker"),
    settings=Settings,
    serve=serve,
    publishes=(ALL, ENFORCER_STATUS, replay_frames("*")),
    subscribes=(
        ALL,
        "ballot.*",
        *INPUTS,
        *LOGIN_FILTERS,
        *NETWORK_FILTERS,
        *ACCOUNT_FILTERS,
        *NAME_FILTERS,
        *ACCOUNT_TEXTS.filters,
        GatewayDetected.subject_filter(),
        *mail_filters(),
        replay_request(NAME),
    ),
)


def main() -> None:
    """`varco-banguard`: this service alone."""
    service.run(SERVICE)
