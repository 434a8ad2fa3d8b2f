"""relay, a worker: takes accepted mail to its next hop, and says what became of it for each recipient."""

import ssl
from collections.abc import Callable

from varco_common.base import subjects
from varco_common.base.settings import BrokenSetting
from varco_common.base.tasks import run_in_background
from varco_common.bus import Bus
from varco_common.eventsourcing.projection import Projection
from varco_common.eventsourcing.replay.serving import ReplayServer
from varco_common.runtime import rebuild_api
from varco_common.runtime.http_server import HttpServer
from varco_common.runtime.service import Service, run
from varco_common.storage import database, retention
from varco_common.storage.object_store import ObjectStore
from varco_relay import api, gauges
from varco_relay.account_worker import AccountWorker
from varco_relay.delivery_attempt import Deliverer
from varco_relay.dsn_sender import DsnSender
from varco_relay.mail_retention import MailRetention
from varco_relay.model import account_route, queue
from varco_relay.model.account_route import AccountRoute
from varco_relay.queue_runner import QueueRunner, RetryLimits
from varco_relay.queue_service import QueueService
from varco_relay.secret_box import SecretBox
from varco_relay.settings import Settings
from varco_relay.smtp.client import Timeouts
from varco_relay.smtp.dialer import Dialer
from varco_relay.smtp.pool_registry import PoolRegistry


async def serve(settings: Settings) -> None:
    """Until cancelled; attempts in flight then come to their end."""
    seal, greeter = _seal(settings), _greeter(settings)
    async with (
        HttpServer.open(settings, "relay") as shell,
        Bus.connect(settings.bus, "relay") as bus,
        database.connect(settings.database_of("relay"), "relay") as engine,
    ):
        await database.migrate(engine, "varco_relay")
        blobs = ObjectStore(settings.object_store)
        post = Deliverer(bus, blobs, settings.patience, recipients_at_once=settings.recipients_at_once)
        ways = PoolRegistry(greeter, settings.limits, seal, settings.route)
        accounts = Projection.of(account_route.FOLD, bus, engine, "relay")
        waiting = Projection.of(queue.FOLD, bus, engine, "relay")
        desk = QueueService(bus, accounts, waiting, ways=ways, seal=seal, hire=_hiring(settings, post, ways))
        notifier = DsnSender(bus, blobs, settings.hostname)
        pace = RetryLimits(
            attempts=settings.retries_at_once, route_check=settings.route_retry_longest / 10, grace=settings.grace
        )
        retrier = QueueRunner(waiting, post, notifier, desk.way, pace)
        shell.include(rebuild_api.router("relay", "varco_relay.rebuild", settings))
        shell.include(api.router(desk))
        try:
            async with accounts.following(), waiting.following(), run_in_background(desk.run(), retrier.run()):
                await MailRetention(bus, waiting).serve()
                with gauges.shown(desk):
                    async with ReplayServer.answering(bus, "relay", "varco_relay.replay", settings):
                        await shell.serve(bus, routes=accounts.check, queue=waiting.check)
        finally:
            await ways.close()
            await blobs.close()


def _hiring(
    settings: Settings, post: Deliverer, ways: PoolRegistry
) -> Callable[[str, Callable[[], AccountRoute | None]], AccountWorker]:
    def hire(account: str, state: Callable[[], AccountRoute | None]) -> AccountWorker:
        return AccountWorker(
            account,
            post,
            ways,
            state,
            in_flight=settings.in_flight,
            max_bytes=settings.in_flight_bytes,
            ack_wait=settings.ack_wait.total_seconds(),
            grace=settings.grace,
        )

    return hire


def _seal(settings: Settings) -> SecretBox:
    try:
        return SecretBox.from_file(settings.seal_file)
    except OSError as error:
        raise BrokenSetting("VARCO_RELAY_KEY_FILE", settings.seal_file, f"a file ({error.strerror})") from None
    except ValueError:
        raise BrokenSetting("VARCO_RELAY_KEY_FILE", settings.seal_file, "a key that relay made") from None


def _greeter(settings: Settings) -> Dialer:
    verified = ssl.create_default_context()
    if settings.ca_file:
        try:
            verified.load_verify_locations(settings.ca_file)
        except (OSError, ssl.SSLError) as error:
            why = f"certificates in PEM ({error})"
            raise BrokenSetting("VARCO_RELAY_CA_FILE", settings.ca_file, why) from None
    return Dialer(name=settings.hostname, timeouts=Timeouts().scaled(settings.timeout_factor), verified=verified)


SERVICE = Service(
    name="relay",
    role=("worker",),
    settings=Settings,
    serve=serve,
    publishes=("events.relay.>", "mail.dsn.*", subjects.rehearsal("*")),
    subscribes=(
        retention.subject("relay"),
        *account_route.FILTERS,
        *queue.FILTERS,
        *(subjects.mail(kind, "*") for kind in subjects.READY),
        subjects.rehearse("relay"),
    ),
)


def main() -> None:
    """The script `varco-relay`."""
    run(SERVICE)
