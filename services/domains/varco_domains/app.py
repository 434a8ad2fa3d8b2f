"""domains, a worker: which domains an account owns, proven by records in the DNS."""

from functools import partial

from varco_common.base import subjects
from varco_common.base.tasks import run_in_background
from varco_common.events.domain_table import AccountDomains
from varco_common.eventsourcing.projection import Projection
from varco_common.mail.dkim_keys import DKIM_KEY
from varco_common.runtime.parts import open_parts
from varco_common.runtime.service import Service, run
from varco_domains import dkim, metrics
from varco_domains.api import addresses, routes
from varco_domains.api.reputation import ReputationView
from varco_domains.key_keeper import KeyKeeper
from varco_domains.model import DOMAINS
from varco_domains.proof_checker import ProofChecker
from varco_domains.reputation.daily_look import DailyLook
from varco_domains.reputation.look import KeyRecords
from varco_domains.reputation.look_times import LookTimes
from varco_domains.reputation.model import REPUTATIONS
from varco_domains.settings import Settings

NAME = "domains"


async def serve(settings: Settings) -> None:
    """Runs until it is cancelled."""
    async with open_parts(settings, NAME, replay="varco_domains.past_settings") as (http, bus, engine):
        domains = Projection(DOMAINS, bus, engine, NAME)

        resolver, prover = settings.resolver(), partial(_proving_account, domains)
        checker, keeper = ProofChecker(domains, resolver, prover), KeyKeeper(bus, domains, resolver)
        reputations = Projection(REPUTATIONS, bus, engine, NAME)
        keys, times = partial(_key_records, domains), LookTimes(engine)
        daily = DailyLook(bus, domains, reputations, keys=keys, settings=settings.look(), times=times)
        view = ReputationView(reputations, daily)
        http.include(routes.router(domains, checker, keeper, prover, view))
        http.include(addresses.router(view))
        metrics.count_domains(lambda: [state for _, state in domains.items()])
        metrics.count_reputations(daily.reputations)
        async with (
            domains.following(),
            reputations.following(),
            run_in_background(checker.run(), keeper.run(), daily.run()),
        ):
            await http.serve(bus, domains=domains.check, reputations=reputations.check)


def _key_records(domains: Projection[AccountDomains], account: str, name: str) -> KeyRecords:
    state = domains.get(account)
    domain = state.domains.get(name) if state else None
    if not domain:
        return KeyRecords()
    return KeyRecords(dkim.records(name, domain.signing_keys), dkim.records(name, dkim.waiting_keys(domain)))


def _proving_account(domains: Projection[AccountDomains], name: str) -> str:
    """The account that has proven the domain; empty if none has."""
    for account, state in domains.items():
        if (domain := state.domains.get(name)) and domain.proven_at:
            return account
    return ""


SERVICE = Service(
    name=NAME,
    role=("worker",),
    settings=Settings,
    serve=serve,
    publishes=(subjects.event(NAME, "*", "*"), DKIM_KEY, subjects.replay_frames("*")),
    subscribes=(*DOMAINS.filters, *REPUTATIONS.filters, subjects.replay_request(NAME)),
)


def main() -> None:
    """`varco-domains`: this service alone."""
    run(SERVICE)
