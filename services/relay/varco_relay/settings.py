"""relay's own settings."""

import socket
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from varco_common.base.settings import Duration, Size, env_prefix, matches
from varco_common.bus.settings import WithBus
from varco_common.events import Blackhole, Route, Smarthost
from varco_common.runtime.settings import WithApi
from varco_common.storage.settings import WithDatabase, WithObjectStore
from varco_relay.decide.outcome import RetrySchedule
from varco_relay.smtp.connection_pool import PoolLimits
from varco_relay.smtp.target import BLACKHOLE, parse_smarthost


def _route(text: str) -> str:
    if text.strip() not in ("", BLACKHOLE):
        parse_smarthost(text)
    return text.strip()


class Settings(WithBus, WithApi, WithDatabase, WithObjectStore):
    """`VARCO_RELAY_*`, and what is shared."""

    model_config = env_prefix("VARCO_RELAY_")

    default_route: Annotated[str, AfterValidator(_route)] = Field(
        default="",
        description="Where the mail of accounts without a route of their own goes: `host:port` (TLS where it is offered, "
        "no login), or `blackhole`. Empty: it waits.",
    )
    helo_name: Annotated[str, matches(r"[A-Za-z0-9.\[\]:_-]{0,253}", "a host name, or an address in brackets")] = Field(
        default="",
        description="The name that this gate presents itself with in EHLO, and signs its notifications with. "
        "Empty: the machine's host name.",
    )
    connections: int = Field(default=4, ge=1, le=100, description="Connections to one next hop at once.")
    connection_idle: Duration = Field(
        default=timedelta(seconds=30), description="How long a connection without mail is kept."
    )
    in_flight: int = Field(default=64, ge=1, le=1_000, description="Mails of one account in hand at once.")
    in_flight_bytes: Size = Field(
        default=16 * 1024 * 1024, description="Bytes of mails of one account in hand at once."
    )
    recipients_at_once: int = Field(
        default=100,
        ge=1,
        le=10_000,
        description="Recipients in one transaction; RFC 5321 has servers take 100 at least.",
    )
    retry_first: Duration = Field(
        default=timedelta(minutes=2),
        description="How long after its first attempt a deferred mail is tried again; the delay doubles from there.",
    )
    retry_longest: Duration = Field(default=timedelta(hours=2), description="The longest delay between two attempts.")
    retry_jitter: float = Field(
        default=0.2, ge=0, lt=1, description="The share by which delays vary, so that not all is tried at once."
    )
    give_up: Duration = Field(
        default=timedelta(days=5), description="How long after its acceptance a mail is tried; then its sender is told."
    )
    retries_at_once: int = Field(default=16, ge=1, le=1_000, description="Attempts for deferred mails at once.")
    route_retry_first: Duration = Field(
        default=timedelta(seconds=2), description="How long after a next hop went down it is tried again; this doubles."
    )
    route_retry_longest: Duration = Field(
        default=timedelta(minutes=5), description="The longest delay between two tries to reach a next hop."
    )
    timeout_factor: float = Field(
        default=1.0, gt=0, le=10, description="What the timeouts of RFC 5321 4.5.3.2 are multiplied with."
    )
    ack_wait: Duration = Field(
        default=timedelta(seconds=20),
        description="How long after a crash the mails that were in hand are taken up again.",
    )
    ca_file: Path | None = Field(
        default=None,
        description="Certificates (PEM) that are trusted beside the system's, for routes with `tls: required`.",
    )
    key_file: Path | None = Field(
        default=None,
        description="The key that seals the routes' passwords; made at the first start. Unset: `secrets/relay.key` in "
        "VARCO_HOME.",
    )

    @property
    def hostname(self) -> str:
        return self.helo_name or socket.gethostname() or "localhost"

    @property
    def patience(self) -> RetrySchedule:
        return RetrySchedule(
            first=self.retry_first, longest=self.retry_longest, give_up=self.give_up, jitter=self.retry_jitter
        )

    @property
    def limits(self) -> PoolLimits:
        return PoolLimits(
            connections=self.connections,
            idle=self.connection_idle.total_seconds(),
            first_backoff=self.route_retry_first.total_seconds(),
            longest_backoff=self.route_retry_longest.total_seconds(),
        )

    @property
    def grace(self) -> float:
        """Seconds that attempts in flight are given at the end."""
        return self.drain.total_seconds() * 0.8

    @property
    def route(self) -> Route | None:
        """The default route."""
        if not self.default_route:
            return None
        if self.default_route == BLACKHOLE:
            return Blackhole()
        host, port = parse_smarthost(self.default_route)
        return Smarthost(host=host, port=port)

    @property
    def seal_file(self) -> Path:
        return self.key_file or self.home / "secrets" / "relay.key"
