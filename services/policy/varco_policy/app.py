"""policy, a voter: may this account send this mail? Also answers who a login is, and whose a host is."""

from datetime import UTC, datetime, timedelta

from varco_common.base import subjects
from varco_common.bus import Bus
from varco_common.eventsourcing.projection import Projection
from varco_common.eventsourcing.replay.serving import ReplayServer
from varco_common.mail.grants import LOGIN, NETWORK
from varco_common.runtime import rebuild_api, service
from varco_common.runtime.http_server import HttpServer
from varco_common.runtime.passwords import PasswordVerifier
from varco_common.runtime.service import Service
from varco_common.storage import database
from varco_policy import admin_tokens, api
from varco_policy.account_directory import ALL, FOLLOWED, NAME, AccountDirectory
from varco_policy.decide import VOTER
from varco_policy.grant_responder import GrantResponder
from varco_policy.metrics import ACCOUNTS
from varco_policy.password_hashes import ImportedHashes
from varco_policy.settings import Settings
from varco_policy.voter import PolicyVoter


async def serve(settings: Settings) -> None:
    """Votes and answers once it has caught up; until then it is silent, which is never a yes."""
    hashes = ImportedHashes(settings.argon2_memory_kib)
    async with (
        HttpServer.open(settings, NAME) as shell,
        Bus.connect(settings.bus, NAME) as bus,
        database.connect(settings.database_of(NAME), NAME) as engine,
        PasswordVerifier.open(hashes, settings.hashing_threads, settings.hashing_queue) as verifier,
    ):
        await database.migrate(engine, "varco_policy")
        admins = Projection.of(admin_tokens.ADMIN_TOKENS, bus, engine, NAME)
        async with AccountDirectory.open(bus, engine) as accounts, admins.following():
            ACCOUNTS.set_function(lambda: len(accounts))
            used_every = timedelta(minutes=settings.used_minutes)
            grants = GrantResponder(bus, accounts, verifier, used_every, lambda: datetime.now(UTC))
            shell.include(rebuild_api.router(NAME, "varco_policy.rebuild", settings))
            shell.include(api.router(accounts, admins, verifier, shell.keyring))
            await bus.voting.serve(VOTER, PolicyVoter(accounts))
            await bus.requests.answer(LOGIN, NAME, grants.login)
            await bus.requests.answer(NETWORK, NAME, grants.network)
            try:
                async with ReplayServer.answering(bus, NAME, "varco_policy.replay", settings):
                    await shell.serve(bus, accounts=accounts.check)
            finally:
                await grants.ended()


SERVICE = Service(
    name=NAME,
    role=("voter",),
    settings=Settings,
    serve=serve,
    publishes=(ALL, subjects.rehearsal("*")),
    subscribes=(*FOLLOWED, "ballot.*", LOGIN, NETWORK, subjects.rehearse(NAME)),
)


def main() -> None:
    """`varco-policy`: this service alone."""
    service.run(SERVICE)
