"""banguard, a voter and worker: strikes become bans, every ingress enforces them, and a banned host's mail gets no yes."""

from collections.abc import Callable
from datetime import UTC, datetime

from msgspec.structs import replace

from varco_banguard import api, metrics
from varco_banguard.ban_log import BanLog
from varco_banguard.ban_log_file import BanLogFile
from varco_banguard.commands import BanCommands
from varco_banguard.decide import VOTER, decide, position_figures
from varco_banguard.known_logins import FILTERS, NETWORKS
from varco_banguard.settings import Settings
from varco_banguard.state import NAME, BanguardState
from varco_banguard.strike_processor import INPUTS, StrikeProcessor
from varco_common.base.settings import BrokenSetting
from varco_common.base.subjects import event, rehearsal, rehearse
from varco_common.base.tasks import run_in_background
from varco_common.bus import Bus
from varco_common.events.ban_table import ENFORCER_STATUS
from varco_common.eventsourcing.replay.serving import ReplayServer
from varco_common.mail.ballot import Ballot, Vote
from varco_common.runtime import rebuild_api, service
from varco_common.runtime.http_server import HttpServer
from varco_common.runtime.service import Service
from varco_common.storage import database

ALL = event(NAME, "*", "*")


async def serve(settings: Settings) -> None:
    """Votes once it has caught up; until then it is silent, which is never a yes."""
    file = _log_file(settings)
    async with (
        HttpServer.open(settings, NAME) as shell,
        Bus.connect(settings.bus, NAME) as bus,
        database.connect(settings.database_of(NAME), NAME) as engine,
    ):
        await database.migrate(engine, "varco_banguard")
        async with BanguardState.open(bus, engine, settings.balancer_networks) as register:
            metrics.BANNED.set_function(lambda: len(register.table))
            metrics.HOSTS.set_function(lambda: len(register.hosts()))
            officer, chronicle = StrikeProcessor(bus, register), BanLog(bus, file, service.draining())
            shell.include(rebuild_api.router(NAME, "varco_banguard.rebuild", settings))
            shell.include(api.router(bus, register, BanCommands(register), chronicle))
            async with run_in_background(officer.watch(), officer.keep_time(), chronicle.run()):
                await bus.voting.serve(VOTER, _voter(register))
                async with ReplayServer.answering(bus, NAME, "varco_banguard.replay", settings):
                    await shell.serve(bus, database=register.check)


def _voter(register: BanguardState) -> Callable[[Ballot], Vote]:
    def vote(ballot: Ballot) -> Vote:
        now = datetime.now(UTC)
        cast = decide(ballot, register.table, now)
        metrics.VOTES[cast.reply].inc()
        return replace(cast, figures=position_figures(register.stand, now))

    return vote


def _log_file(settings: Settings) -> BanLogFile | None:
    if not settings.log:
        return None
    try:
        return BanLogFile(settings.log_path)
    except OSError as error:
        expected = f"a file that can be written ({error.strerror})"
        raise BrokenSetting("VARCO_BANGUARD_LOG_FILE", settings.log_path, expected) from None


SERVICE = Service(
    name=NAME,
    role=("voter", "worker"),
    settings=Settings,
    serve=serve,
    publishes=(ALL, ENFORCER_STATUS, rehearsal("*")),
    subscribes=(ALL, "ballot.*", *INPUTS, *FILTERS, *NETWORKS, rehearse(NAME)),
)


def main() -> None:
    """`varco-banguard`: this service alone."""
    service.run(SERVICE)
