"""The streams, as the design wants them: MAIL, EVENTS, and LEASES."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import nats
import nats.errors
from nats.aio.client import Client
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StoreCompression, StreamConfig
from nats.js.errors import NotFoundError

from varco_common.base import log, subjects
from varco_common.base.errors import TransientError
from varco_common.bus.settings import BusSettings

_log = log.get(__name__)

DAY = 86_400.0
TEN_YEARS = 3_653 * DAY
DEDUPE_SECONDS = 120.0
_ENSURE_SECONDS = 10.0


def mail_stream(settings: BusSettings) -> StreamConfig:
    """Every accepted mail for a week. Full means that new mail is refused; nothing old is dropped for it."""
    return StreamConfig(
        name=subjects.MAIL,
        subjects=["mail.*.*"],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_age=settings.mail_days * DAY,
        max_bytes=settings.mail_max_bytes,
        num_replicas=settings.replicas,
        duplicate_window=DEDUPE_SECONDS,
        allow_direct=True,
    )


def events_stream(settings: BusSettings) -> StreamConfig:
    """Every fact for ten years; nothing in it can be deleted."""
    return StreamConfig(
        name=subjects.EVENTS,
        subjects=["events.>"],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_age=TEN_YEARS,
        max_bytes=settings.events_max_bytes,
        num_replicas=settings.replicas,
        duplicate_window=DEDUPE_SECONDS,
        compression=StoreCompression.S2,
        deny_delete=True,
        deny_purge=True,
        allow_direct=True,
        allow_atomic=True,
    )


def leases_stream(settings: BusSettings) -> StreamConfig:
    """Who of a service's processes holds what, now; on disk, so that a restarted bus takes nothing away from anybody."""
    return StreamConfig(
        name=subjects.LEASES,
        subjects=["lease.*"],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        max_msgs_per_subject=1,
        max_bytes=64 * 1024 * 1024,
        num_replicas=settings.replicas,
    )


async def ensure(connection: Client, settings: BusSettings | None = None) -> None:
    """Creates MAIL, EVENTS and LEASES, or brings limits and replicas up to the settings; `connection` must be allowed to.

    Raises TransientError: a cluster may have no leader yet.
    """
    jetstream = connection.jetstream(timeout=_ENSURE_SECONDS)
    wanted = settings or BusSettings()
    for config in (mail_stream(wanted), events_stream(wanted), leases_stream(wanted)):
        with _transient():
            try:
                await jetstream.update_stream(config)
            except NotFoundError:
                await jetstream.add_stream(config)


async def _note(error: Exception) -> None:
    """nats-py would log each lost connection and each attempt with a traceback."""
    _log.warning("the bus is away", error=repr(error))


@contextlib.asynccontextmanager
async def manager(settings: BusSettings) -> AsyncIterator[Client]:
    """A nats-py connection for managing streams; what the data path doesn't need."""
    context = settings.context()
    connection = await nats.connect(
        [server.strip() for server in settings.url.split(",")],
        user=settings.user or None,
        password=settings.password() or None,
        name="manager",
        tls=context,
        tls_handshake_first=context is not None,
        max_reconnect_attempts=-1,
        error_cb=_note,
        inbox_prefix=f"_INBOX_{settings.user or 'manager'}".encode(),
    )
    try:
        yield connection
    finally:
        await connection.close()


class MailLimit:
    """What MAIL holds, and may hold, in bytes. Both methods raise TransientError while the bus is away."""

    def __init__(self, connection: Client, settings: BusSettings) -> None:
        self._jetstream = connection.jetstream()
        self._settings = settings

    async def held(self) -> int:
        with _transient():
            return (await self._jetstream.stream_info(subjects.MAIL)).state.bytes

    async def set(self, most: int) -> None:
        """What it holds already stays, even where that is more."""
        with _transient():
            await self._jetstream.update_stream(mail_stream(replace(self._settings, mail_max_bytes=most)))


@contextlib.asynccontextmanager
async def mail_limit(settings: BusSettings) -> AsyncIterator[MailLimit]:
    """MAIL's limit, over a connection that may change it."""
    async with manager(settings) as connection:
        yield MailLimit(connection, settings)


@contextlib.contextmanager
def _transient() -> Iterator[None]:
    try:
        yield
    except (nats.errors.Error, TimeoutError) as error:
        raise TransientError(f"JetStream is away: {error!r}") from error
