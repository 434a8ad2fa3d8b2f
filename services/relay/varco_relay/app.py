"""relay, a worker: takes accepted mail to its next hop, and records what became of it."""

import ssl
from functools import partial

from varco_common.base import subjects
from varco_common.base.settings import BrokenSetting
from varco_common.base.tasks import run_in_background
from varco_common.bus import Bus
from varco_common.events.domain_table import AccountDomains
from varco_common.eventsourcing.account_texts import ACCOUNT_TEXTS
from varco_common.eventsourcing.projection import Projection
from varco_common.mail.dkim_keys import DKIM_KEY
from varco_common.mail.route_question import ROUTES
from varco_common.runtime.key_file import key_of
from varco_common.runtime.parts import open_parts
from varco_common.runtime.readiness import degrades
from varco_common.runtime.service import Service, run
from varco_common.storage import retention
from varco_common.storage.object_store import open_store
from varco_relay import mail_retention
from varco_relay.api import account_queue, route_health, route_question
from varco_relay.api import queue as queue_api
from varco_relay.api import route_check as route_check_api
from varco_relay.api import route_rules as rules_api
from varco_relay.api import routes as routes_api
from varco_relay.delivery_attempt import Deliverer, utc_now
from varco_relay.dkim.domains import SIGNING_DOMAINS, KeyMaker
from varco_relay.dkim.keys import OpenKeys
from varco_relay.dkim.signer import MailSigner
from varco_relay.dsn_sender import DsnSender
from varco_relay.former_hops import FormerHops
from varco_relay.gauges import Gauges
from varco_relay.model import account_route, queue, route_rules, sts_policy
from varco_relay.model.sts_policy import StsPolicy
from varco_relay.oauth.token_store import TokenStore
from varco_relay.oauth.tokens import Tokens, TokenSource
from varco_relay.other_routes import OtherRoutes
from varco_relay.queue_runner import QueueRunner
from varco_relay.queue_service import QueueService
from varco_relay.route_checker import RouteChecker
from varco_relay.route_tester import RouteTester
from varco_relay.secret_box import SecretBox
from varco_relay.settings import Settings
from varco_relay.smtp.client import Timeouts
from varco_relay.smtp.connection_pool import PoolLimits
from varco_relay.smtp.dialer import Dialer
from varco_relay.smtp.domain_rate import DomainRate
from varco_relay.smtp.pool_registry import PoolRegistry
from varco_relay.smtp.sts_fetch import fetch_policy
from varco_relay.smtp.tls_policies import PolicyStore, TlsPolicies
from varco_relay.tls_reports.reporter import ReportSender, TlsReporter
from varco_relay.tls_reports.results import TlsResults
from varco_relay.untried_drops import UntriedDrops
from varco_relay.worker_supervisor import WorkerSupervisor

_KEY_REMEDY = (
    "restore it from a backup, or delete it and set the routes that have a password again: no other key decrypts "
    "their passwords"
)


async def serve(settings: Settings) -> None:
    """Runs until it is cancelled. Attempts in flight then end."""
    secret_box = SecretBox(key_of("VARCO_RELAY_KEY_FILE", settings.secret_key_file, _KEY_REMEDY))
    verified = _trusted_certificates(settings)
    async with open_parts(settings, "relay", replay="varco_relay.past_settings") as (http, bus, engine):
        object_store = open_store(settings.object_store)
        tokens = Tokens(partial(_open_provider, settings, verified), TokenStore(engine, secret_box))
        dialer = _dialer(settings, verified, tokens)
        domains = Projection(SIGNING_DOMAINS, bus, engine, "relay")
        remove_broken = settings.broken_signatures == "remove"
        signer = MailSigner(domains.get, OpenKeys(secret_box), remove_broken=remove_broken)
        deliverer = Deliverer(bus, object_store, settings.schedule, signer)
        policies = Projection(sts_policy.PROJECTION, bus, engine, "relay")
        results = TlsResults(engine, utc_now) if settings.tls_reports_from else None
        pools = PoolRegistry(
            dialer,
            PoolLimits(connections=settings.connections),
            secret_box,
            settings.route,
            policies=_tls_policies(settings, dialer, bus, policies, results),
            rate=DomainRate(settings.mx_rate),
            mx_port=settings.mx_port,
            sessions=results,
        )
        routes = Projection(account_route.PROJECTION, bus, engine, "relay")
        queued = Projection(queue.PROJECTION, bus, engine, "relay")
        rules = Projection(route_rules.PROJECTION, bus, engine, "relay")
        workers = WorkerSupervisor(routes, rules, deliverer, pools, grace=settings.grace)
        texts = Projection(ACCOUNT_TEXTS, bus, engine, "relay")
        dsn_sender = DsnSender(bus, object_store, settings.own_name, texts.get)
        runner = QueueRunner(queued, deliverer, dsn_sender, workers.table, grace=settings.grace)
        queued.on_event(workers.on_queue_event)
        queue_service, untried_drops = QueueService(bus, queued), UntriedDrops(bus, workers)
        http.include(queue_api.router(queue_service, workers, untried_drops))
        http.include(account_queue.router(queue_service, untried_drops))
        http.include(route_health.router(routes, workers, queue_service))
        checker = RouteChecker(dialer, secret_box, tokens, pools.mx)
        http.include(route_check_api.router(routes, rules, settings.route, checker))
        http.include(
            routes_api.router(
                routes,
                workers,
                secret_box,
                settings.route,
                RouteTester(dialer, secret_box, pools.mx).test,
                rules=rules,
                former_hops=FormerHops(bus),
                private_routes=settings.private_routes,
                plain_oauth=settings.plain_oauth,
            )
        )
        http.include(
            rules_api.router(
                rules,
                secret_box,
                former_hops=FormerHops(bus),
                private_routes=settings.private_routes,
                plain_oauth=settings.plain_oauth,
            )
        )
        other_routes = OtherRoutes(routes, rules, settings.route, secret_box)
        http.include(route_question.router(other_routes))
        try:
            async with (
                routes.following(),
                rules.following(),
                policies.following(),
                domains.following(),
                queued.following(),
                texts.following(),
                run_in_background(
                    workers.run(),
                    runner.run(),
                    *([_reporter(settings, bus, dialer, results, domains).run()] if results else []),
                ),
            ):
                await mail_retention.serve(bus, queued)
                await bus.requests.answer(DKIM_KEY, "relay", KeyMaker(secret_box).answer)
                await bus.requests.answer(ROUTES, "relay", other_routes.answer)
                with Gauges(queue_service, workers, pools).registered():
                    objects = degrades(object_store.check, "large mail waits")
                    await http.serve(
                        bus,
                        routes=routes.check,
                        rules=rules.check,
                        queue=queued.check,
                        texts=texts.check,
                        objects=objects,
                    )
        finally:
            await pools.close()
            await object_store.close()


def _reporter(
    settings: Settings, bus: Bus, dialer: Dialer, results: TlsResults, domains: Projection[AccountDomains]
) -> TlsReporter:
    async def upload(url: str, report: bytes) -> None:
        from varco_relay.tls_reports.upload import upload_report  # noqa: PLC0415 - only who reports takes its library

        await upload_report(url, report, dialer.verified, private=settings.private_routes)

    sender = ReportSender(settings.tls_reports_from, domains.items, upload)
    return TlsReporter(bus, dialer.resolver, results, sender, utc_now)


def _tls_policies(
    settings: Settings, dialer: Dialer, bus: Bus, known: Projection[StsPolicy], sessions: TlsResults | None
) -> TlsPolicies:
    async def fetch(domain: str) -> str:
        private, port = settings.private_routes, settings.mta_sts_port
        return await fetch_policy(domain, dialer.resolver, dialer.verified, port=port, private=private)

    store = PolicyStore(get=known.get, append=bus.events.append, now=utc_now)
    return TlsPolicies(dialer.resolver, store, fetch, sessions)


def _trusted_certificates(settings: Settings) -> ssl.SSLContext:
    verified = ssl.create_default_context()
    if settings.ca_file:
        try:
            verified.load_verify_locations(settings.ca_file)
        except (OSError, ssl.SSLError) as error:
            expected = f"certificates in PEM ({error})"
            raise BrokenSetting("VARCO_RELAY_CA_FILE", settings.ca_file, expected) from None
    return verified


def _dialer(settings: Settings, verified: ssl.SSLContext, tokens: Tokens) -> Dialer:
    return Dialer(
        name=settings.own_name,
        tokens=tokens,
        private_routes=settings.private_routes,
        timeouts=Timeouts().scaled(settings.timeout_factor),
        verified=verified,
        resolver=settings.resolver(),
    )


def _open_provider(settings: Settings, verified: ssl.SSLContext) -> TokenSource:
    from varco_relay.oauth.provider import Provider  # noqa: PLC0415 - only routes with OAuth take its libraries

    return Provider(verified, private_routes=settings.private_routes)


SERVICE = Service(
    name="relay",
    role=("worker",),
    settings=Settings,
    serve=serve,
    publishes=("events.relay.>", "mail.dsn.*", subjects.replay_frames("*")),
    subscribes=(
        retention.subject("relay"),
        *account_route.PROJECTION.filters,
        *route_rules.PROJECTION.filters,
        *sts_policy.PROJECTION.filters,
        *queue.FILTERS,
        *ACCOUNT_TEXTS.filters,
        *SIGNING_DOMAINS.filters,
        DKIM_KEY,
        ROUTES,
        *(subjects.mail(kind, "*") for kind in subjects.READY),
        subjects.replay_request("relay"),
    ),
)


def main() -> None:
    """The script `varco-relay`."""
    run(SERVICE)
