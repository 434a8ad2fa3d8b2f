"""Configuration of the streams MAIL, EVENTS and LEASES, and the connection that creates them."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import nats
import nats.errors
from nats.aio.client import Client
from nats.js.api import DiscardPolicy, RePublish, RetentionPolicy, StorageType, StoreCompression, StreamConfig
from nats.js.errors import NotFoundError

from varco_common.base import log, subjects
from varco_common.base.errors import TransientError
from varco_common.bus.bus_settings import DAY, TEN_YEARS, BusSettings

_log = log.get(__name__)

DEDUPE_SECONDS = 120.0
_ENSURE_SECONDS = 10.0
_KEPT: dict[str, Any] = {
    "discard": DiscardPolicy.NEW,  # a full stream refuses what is new
    "duplicate_window": DEDUPE_SECONDS,
    "allow_direct": True,
}


def _stream(name: str, subject: str, settings: BusSettings, **more: Any) -> StreamConfig:
    return StreamConfig(
        name=name,
        subjects=[subject],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        num_replicas=settings.replicas,
        **more,
    )


def mail_stream(settings: BusSettings) -> StreamConfig:
    """Every accepted mail for a week.

    When it is full, it refuses new mail and never drops old mail.
    """
    limits = {"max_age": settings.mail_days * DAY, "max_bytes": settings.mail_max_bytes}
    return _stream(subjects.MAIL, "mail.*.*", settings, **limits, **_KEPT)


def events_stream(settings: BusSettings) -> StreamConfig:
    """Every event for ten years. No message can be deleted."""
    limits = {"max_age": TEN_YEARS, "max_bytes": settings.events_max_bytes}
    kept = {"compression": StoreCompression.S2, "deny_delete": True, "deny_purge": True, "allow_atomic": True}
    told = RePublish(src=f"events.{subjects.TOLD}.>", dest=f"passing.{subjects.TOLD}.>", headers_only=True)
    return _stream(subjects.EVENTS, "events.>", settings, republish=told, **limits, **kept, **_KEPT)


def leases_stream(settings: BusSettings) -> StreamConfig:
    """One message a service: which process holds which lease.

    On disk, so that leases survive a restart of the bus.
    """
    return _stream(subjects.LEASES, "lease.*", settings, max_msgs_per_subject=1, max_bytes=64 * 1024 * 1024)


async def ensure(connection: Client, settings: BusSettings | None = None) -> None:
    """Creates MAIL, EVENTS and LEASES, or updates their limits and replicas to the settings.

    `connection` must be allowed to do so. Raises TransientError: a cluster may have no leader yet.
    """
    jetstream = connection.jetstream(timeout=_ENSURE_SECONDS)
    settings = settings or BusSettings()
    for config in (mail_stream(settings), events_stream(settings), leases_stream(settings)):
        with _transient_errors():
            try:
                await jetstream.update_stream(config)
            except NotFoundError:
                await jetstream.add_stream(config)


async def _log_error(error: Exception) -> None:
    """Replaces nats-py's own log, a traceback for each lost connection and attempt."""
    _log.warning("the bus is away", error=repr(error))


@contextlib.asynccontextmanager
async def manager(settings: BusSettings) -> AsyncIterator[Client]:
    """A nats-py connection for managing streams, which the data path does not need."""
    context = settings.context()
    connection = await nats.connect(
        [server.strip() for server in settings.url.split(",")],
        user=settings.user or None,
        password=settings.password() or None,
        name="manager",
        tls=context,
        tls_handshake_first=context is not None,
        max_reconnect_attempts=-1,
        error_cb=_log_error,
        inbox_prefix=f"_INBOX_{settings.user or 'manager'}".encode(),
    )
    try:
        yield connection
    finally:
        with contextlib.suppress(OSError):  # the bus has gone first
            await connection.close()


class MailLimit:
    """MAIL's limit and usage in bytes. Both methods raise TransientError while the bus is away."""

    def __init__(self, connection: Client, settings: BusSettings) -> None:
        self._jetstream = connection.jetstream()
        self._settings = settings

    async def used(self) -> int:
        with _transient_errors():
            return (await self._jetstream.stream_info(subjects.MAIL)).state.bytes

    async def set(self, max_bytes: int) -> None:
        """Mails that are there stay, even if they take more."""
        with _transient_errors():
            await self._jetstream.update_stream(mail_stream(replace(self._settings, mail_max_bytes=max_bytes)))


@contextlib.asynccontextmanager
async def mail_limit(settings: BusSettings) -> AsyncIterator[MailLimit]:
    """MAIL's limit, over a connection that is allowed to change it."""
    async with manager(settings) as connection:
        yield MailLimit(connection, settings)


@contextlib.contextmanager
def _transient_errors() -> Iterator[None]:
    try:
        yield
    except (nats.errors.Error, TimeoutError) as error:
        raise TransientError(f"JetStream is away: {error!r}") from error
