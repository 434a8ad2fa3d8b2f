"""domains, a worker: which domains an account owns, proven by records in the DNS."""

from collections.abc import Mapping
from functools import partial

from varco_common.base import subjects
from varco_common.base.tasks import run_in_background
from varco_common.events.domain_table import AccountDomains
from varco_common.eventsourcing.projection import Projection
from varco_common.runtime.parts import open_parts
from varco_common.runtime.service import Service, run
from varco_domains import metrics
from varco_domains.api import addresses, routes
from varco_domains.api.reputation import ReputationView
from varco_domains.model import DOMAINS
from varco_domains.proof_checker import ProofChecker
from varco_domains.reputation.daily_look import DailyLook
from varco_domains.reputation.model import REPUTATIONS
from varco_domains.settings import Settings

NAME = "domains"


async def serve(settings: Settings) -> None:
    """Runs until it is cancelled."""
    async with open_parts(settings, NAME, replay="varco_domains.past_settings") as (http, bus, engine):
        domains = Projection(DOMAINS, bus, engine, NAME)

        prover = partial(_proving_account, domains)
        checker = ProofChecker(domains, settings.resolver(), prover)
        reputations = Projection(REPUTATIONS, bus, engine, NAME)
        daily = DailyLook(bus, domains, reputations, _no_keys, settings.look())
        view = ReputationView(reputations, daily)
        http.include(routes.router(domains, checker, prover, view))
        http.include(addresses.router(view))
        metrics.count_domains(lambda: [state for _, state in domains.items()])
        metrics.count_reputations(lambda: [state for _, state in reputations.items()])
        async with domains.following(), reputations.following(), run_in_background(checker.run(), daily.run()):
            await http.serve(bus, domains=domains.check, reputations=reputations.check)


def _no_keys(_: str, __: str) -> Mapping[str, str]:
    return {}


def _proving_account(domains: Projection[AccountDomains], name: str) -> str:
    """The account that has proven the domain; empty if none has.

    Commands of a process take turns, so no two accounts prove it at once.
    """
    for account, state in domains.items():
        if (domain := state.domains.get(name)) and domain.proven_at:
            return account
    return ""


SERVICE = Service(
    name=NAME,
    role=("worker",),
    settings=Settings,
    serve=serve,
    publishes=(subjects.event(NAME, "*", "*"), subjects.replay_frames("*")),
    subscribes=(*DOMAINS.filters, *REPUTATIONS.filters, subjects.replay_request(NAME)),
)


def main() -> None:
    """`varco-domains`: this service alone."""
    run(SERVICE)
