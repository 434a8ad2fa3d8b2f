"""policy, a voter: may this account send this mail? Also answers who a login is, and whose a host is."""

from datetime import UTC, datetime, timedelta

from varco_common import db, service, subjects
from varco_common.bus import Bus
from varco_common.grants import LOGIN, NETWORK
from varco_common.http import Shell
from varco_common.passwords import Verifier
from varco_common.projection import Projection
from varco_common.rebuild import serving
from varco_common.rehearsal.serving import Rehearsals
from varco_common.service import Service
from varco_policy import api, tokens
from varco_policy.decide import VOTER
from varco_policy.grants import Grants
from varco_policy.hashes import Hashes
from varco_policy.metrics import ACCOUNTS
from varco_policy.settings import Settings
from varco_policy.store import ALL, FOLLOWED, NAME, Accounts
from varco_policy.voter import Voter


async def serve(settings: Settings) -> None:
    """Votes and answers once it has caught up; until then it is silent, which is never a yes."""
    hashes = Hashes(settings.argon2_memory_kib)
    async with (
        Shell.open(settings, NAME) as shell,
        Bus.connect(settings.bus, NAME) as bus,
        db.connect(settings.database_of(NAME), NAME) as engine,
        Verifier.open(hashes, settings.hashing_threads, settings.hashing_queue) as verifier,
    ):
        await db.migrate(engine, "varco_policy")
        admins = Projection.of(tokens.FOLD, bus, engine, NAME)
        async with Accounts.open(bus, engine) as accounts, admins.following():
            ACCOUNTS.set_function(lambda: len(accounts))
            used_every = timedelta(minutes=settings.used_minutes)
            grants = Grants(bus, accounts, verifier, used_every, lambda: datetime.now(UTC))
            shell.include(serving.router(NAME, "varco_policy.rebuild", settings))
            shell.include(api.router(accounts, admins, verifier, shell.keyring))
            await bus.serve_voter(VOTER, Voter(accounts))
            await bus.answer(LOGIN, NAME, grants.login)
            await bus.answer(NETWORK, NAME, grants.network)
            try:
                async with Rehearsals.answering(bus, NAME, "varco_policy.rehearse", settings):
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
