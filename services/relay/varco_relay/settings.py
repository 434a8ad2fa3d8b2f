"""relay's own settings."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from varco_common.base.settings import Duration, Internal, env_prefix, matches
from varco_common.bus.settings import WithMailDays
from varco_common.dns import WithResolver
from varco_common.events import Blackhole, DirectDelivery, Route, Smarthost
from varco_common.runtime.settings import TableServiceSettings, WithHostname
from varco_common.storage.settings import WithObjectStore
from varco_relay.decide.retry_schedule import RetrySchedule
from varco_relay.route_document import BLACKHOLE, MX
from varco_relay.smtp.target import parse_next_hop

_SHARE_OF_MAIL_DAYS = 0.9  # the rest is for a relay that is down when a mail's time is over


def _route(text: str) -> str:
    if text.strip() not in ("", BLACKHOLE, MX):
        parse_next_hop(text)
    return text.strip()


class Settings(TableServiceSettings, WithHostname, WithObjectStore, WithResolver, WithMailDays):
    """`VARCO_RELAY_*`, and what is shared."""

    model_config = env_prefix("VARCO_RELAY_")
    retired: ClassVar[frozenset[str]] = frozenset(
        {
            "VARCO_RELAY_ACK_WAIT",
            "VARCO_RELAY_CONNECTION_IDLE",
            "VARCO_RELAY_IN_FLIGHT",
            "VARCO_RELAY_IN_FLIGHT_BYTES",
            "VARCO_RELAY_RECIPIENTS_AT_ONCE",
            "VARCO_RELAY_RETRIES_AT_ONCE",
            "VARCO_RELAY_RETRY_JITTER",
            "VARCO_RELAY_ROUTE_RETRY_FIRST",
            "VARCO_RELAY_ROUTE_RETRY_LONGEST",
        }
    )

    default_route: Annotated[str, AfterValidator(_route)] = Field(
        default="",
        description="Where the mail of accounts without a route of their own goes: `host:port` or `mx:name` (with TLS "
        "if it is offered, without a login), `mx` (direct delivery), or `blackhole`. Empty: it waits.",
    )
    helo_name: Annotated[str, matches(r"[A-Za-z0-9.\[\]:_-]{0,253}", "a host name, or an address in brackets")] = Field(
        default="",
        description="The name of this gate in EHLO and in its delivery status notifications, where it is not "
        "VARCO_HOSTNAME.",
    )
    connections: int = Field(default=4, ge=1, le=100, description="Connections to one next hop at once.")
    mx_rate: int = Field(
        default=0,
        ge=0,
        le=100_000,
        description="How many mails each domain gets in a minute by direct delivery (`route: mx`). 0: no limit.",
    )
    tls_reports_from: Annotated[str, matches(r"([^@\s<>\",;]+@[A-Za-z0-9.-]{1,253})?", "an address")] = Field(
        default="",
        description="The address that TLS reports (RFC 8460) come from, such as tls-reports@acme.example. With `route: mx` "
        "each domain that asks for them hears once a day how TLS with its servers went. An account needs an active DKIM "
        "key for the address. Empty: nothing is counted or sent.",
    )
    mx_port: Internal[int] = Field(default=25, gt=0, lt=65_536, description="The port of hosts that MX records name.")
    mta_sts_port: Internal[int] = Field(
        default=443, gt=0, lt=65_536, description="The port of the servers of MTA-STS policies."
    )
    retry_first: Duration = Field(
        default=timedelta(minutes=2),
        description="The delay before the second attempt for a deferred mail. It doubles for each further attempt.",
    )
    retry_longest: Duration = Field(default=timedelta(hours=2), description="The longest delay between two attempts.")
    give_up: Duration = Field(
        default=timedelta(days=5),
        description="How long after its acceptance a mail is tried. Then its sender is notified. At most nine tenths of "
        "VARCO_NATS_MAIL_DAYS: a mail must not leave MAIL before.",
    )
    private_routes: bool = Field(
        default=False,
        description="Whether accounts' own tokens may set routes to private, loopback and metadata addresses, and "
        "whether direct delivery follows MX records there. Routes of operators' tokens always may lead there.",
    )
    plain_oauth: Internal[bool] = Field(
        default=False,
        description="Whether routes may send tokens in clear, and ask for them at http:// on this host: for the demo.",
    )
    timeout_factor: Internal[float] = Field(
        default=1.0, gt=0, le=10, description="The timeouts of RFC 5321 4.5.3.2 are multiplied by this."
    )
    ca_file: Path | None = Field(
        default=None,
        description="Certificates (PEM) that routes with `tls: required` trust besides those of the system.",
    )
    broken_signatures: Literal["remove", "keep"] = Field(
        default="remove",
        description="What becomes of the client's own DKIM and ARC signatures in a mail that the gate changed, which "
        "breaks them: an attachment became a link, or 8-bit characters were encoded for a next hop without 8BITMIME.",
    )
    key_file: Path | None = Field(
        default=None,
        description="The key that encrypts the passwords of routes and DKIM keys. The first start makes it. "
        "Unset: `secrets/relay.key` in VARCO_HOME.",
    )

    @property
    def own_name(self) -> str:
        return self.helo_name or self.hostname

    @property
    def schedule(self) -> RetrySchedule:
        give_up = min(self.give_up, timedelta(days=self.mail_days) * _SHARE_OF_MAIL_DAYS)
        return RetrySchedule(first=self.retry_first, longest=self.retry_longest, give_up=give_up)

    @property
    def grace(self) -> float:
        """Seconds that attempts in flight get at the end."""
        return self.drain.total_seconds() * 0.8

    @property
    def route(self) -> Route | None:
        """The default route."""
        if not self.default_route:
            return None
        if self.default_route == BLACKHOLE:
            return Blackhole()
        if self.default_route == MX:
            return DirectDelivery()
        host, port, mx = parse_next_hop(self.default_route)
        return Smarthost(host=host, port=port, mx=mx)

    @property
    def secret_key_file(self) -> Path:
        return self.key_file or self.home / "secrets" / "relay.key"
