"""console, a reader: web pages over the services' APIs, for operators, auditors and accounts.

This file only wires.
"""

from contextlib import AsyncExitStack
from ipaddress import ip_network

from varco_common.base.tasks import run_in_background
from varco_common.bus import Bus
from varco_common.bus.background_appends import BackgroundAppends
from varco_common.events import AnyEvent, LoginGuarded
from varco_common.events.ban_table import ENFORCED, ENFORCER_STATUS, BanTable
from varco_common.eventsourcing.projection import Projection
from varco_common.runtime import person_tokens, rebuild_api, service
from varco_common.runtime.ban_enforcement import BanEnforcement
from varco_common.runtime.http_server import HttpServer
from varco_common.runtime.key_file import key_of
from varco_common.runtime.login_throttle import GUARDED, LoginThrottle
from varco_common.runtime.passwords import Argon2, PasswordVerifier
from varco_common.runtime.repeated_guesses import GUESS_KEY, GuessDigest
from varco_common.runtime.service import Service
from varco_common.runtime.uvicorn_server import listening
from varco_common.storage import database
from varco_console import metrics
from varco_console.api import people as people_api
from varco_console.html_pages.catalogue import NAVIGATION, PAGES
from varco_console.model import ALL, NAME, PEOPLE
from varco_console.oidc import OidcProvider
from varco_console.people import People
from varco_console.second_factor import FactorSeal
from varco_console.service_apis import ServiceApis
from varco_console.settings import Settings
from varco_console.sign_in import SignIn
from varco_console.web.application import web_application
from varco_console.web.background_jobs import BackgroundJobs
from varco_console.web.context import Console
from varco_console.web.rendering import Renderer

ARGON2_MEMORY_KIB = 65_536  # RFC 9106 4, the second recommended choice
HASH_THREADS, MAX_HASHES = 2, 24  # passwords hashed at once, and waiting for it: 128 MiB at most
GUESS_SECONDS, MAX_GUESSES_WAITING = 1.0, 10  # at a guarded name, for each unknown host
MAX_REQUESTS = 100
_KEY_REMEDY = "restore it from a backup, or delete it and let each person set the second factor up again"


async def serve(settings: Settings) -> None:
    """Runs until cancelled."""
    seal = FactorSeal(key_of("VARCO_CONSOLE_KEY_FILE", settings.factor_key_file, _KEY_REMEDY))
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(HttpServer.open(settings, NAME))
        bus = await stack.enter_async_context(Bus.connect(settings.bus, NAME))
        engine = await stack.enter_async_context(database.connect(settings.database_of(NAME), NAME))
        await database.migrate(engine, "varco_console")
        argon2 = Argon2(ARGON2_MEMORY_KIB)
        passwords = await stack.enter_async_context(PasswordVerifier.open(argon2, HASH_THREADS, MAX_HASHES))
        projection = await stack.enter_async_context(Projection(PEOPLE, bus, engine, NAME).following())
        apis = await stack.enter_async_context(ServiceApis.open(bus, settings.api_urls))
        people, guesses, failures = People(bus, projection, passwords), GuessDigest(), BackgroundAppends(bus.events)
        jobs = BackgroundJobs()
        stack.push_async_callback(failures.flush)
        stack.push_async_callback(jobs.close)
        metrics.SESSIONS.set_function(people.session_count)
        throttle, bans = LoginThrottle(GUESS_SECONDS, MAX_GUESSES_WAITING), BanTable(map(ip_network, settings.proxies))
        console = Console(
            people=people,
            sign_in=SignIn(
                people, passwords=passwords, throttle=throttle, guesses=guesses, seal=seal, report=failures.append
            ),
            seal=seal,
            apis=apis,
            renderer=Renderer(NAVIGATION),
            jobs=jobs,
            url=settings.base_url,
            provider=OidcProvider(settings.oidc_client, apis.client) if settings.oidc_client else None,
        )
        http.include(rebuild_api.router(NAME, "varco_console.rebuild", settings))
        http.include(people_api.router(people, settings.base_url))
        enforcement = BanEnforcement(
            bus, bans, NAME, "answers 403", on_event=lambda event: _guard(throttle, event), also=(GUARDED,)
        )
        async with run_in_background(enforcement.run(), guesses.follow(bus)):
            await enforcement.caught_up.wait()
            async with listening(
                web_application(console, PAGES, bans),
                settings.bind,
                settings.console_port,
                "VARCO_CONSOLE_PORT",
                max_requests=MAX_REQUESTS,
                proxies=settings.proxies,
            ):
                await http.serve(bus, people=projection.check)


def _guard(throttle: LoginThrottle, event: AnyEvent) -> None:
    if isinstance(event, LoginGuarded):
        throttle.add(event)


SERVICE = Service(
    name=NAME,
    role=("reader",),
    settings=Settings,
    serve=serve,
    publishes=(ALL, GUESS_KEY, person_tokens.QUESTION),
    subscribes=(ALL, *ENFORCED, GUARDED, ENFORCER_STATUS),
)


def main() -> None:
    """`varco-console`: this service alone."""
    service.run(SERVICE)
