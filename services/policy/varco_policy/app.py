"""policy, a voter: may this account send this mail? It also answers whose a login or a host is."""

from datetime import UTC, datetime

from varco_common.base import subjects
from varco_common.base.settings import BrokenSetting
from varco_common.base.tasks import run_in_background
from varco_common.events import LoginNamed
from varco_common.eventsourcing.naming import name_logins
from varco_common.eventsourcing.projection import Projection
from varco_common.eventsourcing.replay.cases import mail_filters
from varco_common.mail.grants import LOGIN, NETWORK
from varco_common.runtime import earlier_tokens, person_tokens, service, token_uses
from varco_common.runtime.parts import open_parts
from varco_common.runtime.passwords import PasswordVerifier
from varco_common.runtime.service import Service
from varco_common.runtime.token_signer import TokenSigner
from varco_policy import api
from varco_policy.account_directory import ALL, FOLLOWED, NAME, AccountDirectory
from varco_policy.admin_tokens import ADMIN_TOKENS
from varco_policy.decide import VOTER
from varco_policy.domain_ownership import OWNED_DOMAINS
from varco_policy.grant_responder import GrantResponder
from varco_policy.metrics import ACCOUNTS
from varco_policy.owned_domains import OwnedDomains
from varco_policy.password_hashes import ImportedHashes
from varco_policy.settings import Settings
from varco_policy.token_uses import TokenUseRecorder
from varco_policy.voter import PolicyVoter

ARGON2_MEMORY_KIB = 65_536  # RFC 9106 4, the second recommended choice
HASHING_THREADS = 2  # passwords that are hashed at once, at some 100 ms of CPU each
# Passwords that wait for a thread or are being hashed, for each thread: 100 first logins at once
# find a place. At some 100 ms each, all are answered before ingress gives up (15 s); a login beyond
# them is answered with 4xx at once.
MAX_HASHING_PER_THREAD = 64


async def serve(settings: Settings) -> None:
    """Votes once it has caught up. Until then it does not answer, which is never a yes."""
    signer = _signer(settings)
    hashes, places = ImportedHashes(ARGON2_MEMORY_KIB), HASHING_THREADS * MAX_HASHING_PER_THREAD
    async with (
        open_parts(settings, NAME, replay="varco_policy.replay") as (server, bus, engine),
        PasswordVerifier.open(hashes, HASHING_THREADS, places) as verifier,
    ):
        admin_tokens = Projection(ADMIN_TOKENS, bus, engine, NAME)
        domains = Projection(OWNED_DOMAINS, bus, engine, NAME)
        async with (
            AccountDirectory.open(bus, engine) as accounts,
            admin_tokens.following(),
            domains.following(),
            run_in_background(
                name_logins(bus, accounts.projection, LoginNamed, lambda account: account.credentials, _named)
            ),
        ):
            ACCOUNTS.set_function(lambda: len(accounts.projection))
            responder = GrantResponder(bus, accounts, verifier)
            owned_domains = OwnedDomains(domains, proof_required=settings.proof_required)
            server.include(api.router(accounts, admin_tokens, verifier, signer, owned_domains))
            await bus.voting.serve(VOTER, PolicyVoter(accounts))
            await bus.requests.answer(LOGIN, NAME, responder.on_login)
            await bus.requests.answer(NETWORK, NAME, responder.on_network)
            await bus.requests.answer(earlier_tokens.QUESTION, NAME, earlier_tokens.answering(signer))
            await bus.requests.answer(token_uses.QUESTION, NAME, TokenUseRecorder(bus, accounts, admin_tokens).on_used)
            people = person_tokens.answering(signer, accounts.opened_at)
            await bus.requests.answer(person_tokens.QUESTION, NAME, people)
            try:
                await server.serve(bus, accounts=accounts.projection.check)
            finally:
                await responder.drain()


def _named(account: str, login: str) -> LoginNamed:
    return LoginNamed(at=datetime.now(UTC), account=account, by=NAME, login=login)


def _signer(settings: Settings) -> TokenSigner:
    """Raises BrokenSetting if the services verify with another key than policy signs with."""
    if settings.token_signer.public_key.split() != settings.token_public_key.split():
        raise BrokenSetting(
            "VARCO_TOKEN_KEY_FILE",
            settings.token_key_file or "secrets/token.key",
            "the key whose public key the services have (`varco init` and `varco up` write it)",
        )
    return settings.token_signer


SERVICE = Service(
    name=NAME,
    role=("voter",),
    settings=Settings,
    serve=serve,
    publishes=(ALL, subjects.replay_frames("*")),
    subscribes=(
        *FOLLOWED,
        *OWNED_DOMAINS.filters,
        *mail_filters(),
        "ballot.*",
        LOGIN,
        NETWORK,
        earlier_tokens.QUESTION,
        person_tokens.QUESTION,
        token_uses.QUESTION,
        subjects.replay_request(NAME),
    ),
)


def main() -> None:
    """`varco-policy`: this service alone."""
    service.run(SERVICE)
