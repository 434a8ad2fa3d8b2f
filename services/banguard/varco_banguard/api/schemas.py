"""The JSON of banguard's HTTP API."""

from datetime import datetime
from typing import Self

from msgspec.structs import asdict
from pydantic import BaseModel, ConfigDict, Field

from varco_banguard.model import Ban, Host, Stop
from varco_common.events import Strike
from varco_common.events.ban_table import EnforcerStatus
from varco_common.runtime.tokens import ApiToken


class StrikeOut(BaseModel):
    """One strike."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime
    cause: str
    host: str
    weight: int
    login: str
    sender: str
    mail: str = Field(description="The refused mail's id; empty for failed logins.")
    accounts: list[str]


class BanOut(BaseModel):
    """A ban in force."""

    network: str
    since: datetime
    until: datetime | None = Field(description="None: for ever.")
    count: int = Field(description="The host's n-th ban in a row.")
    by: str
    reason: str
    evidence: list[StrikeOut] = Field(description="The strikes that led to it; an account's token sees its own alone.")

    @classmethod
    def of(cls, network: str, ban: Ban, token: ApiToken) -> Self:
        evidence = visible_strikes(ban.strikes, token)
        return cls.model_validate({**asdict(ban), "network": network, "evidence": evidence})


class StopOut(BaseModel):
    """A login that is stopped at one host, while the host is not banned."""

    network: str
    account: str
    login: str = Field(description="Empty: what the host may send without a login, as its network is trusted.")
    since: datetime
    until: datetime | None = Field(description="None: until it is lifted.")
    count: int = Field(description="The login's n-th stop in a row at this host.")
    because: str = Field(description="Why the host is not banned: several-logins, trusted-network, gateway.")
    evidence: list[StrikeOut]

    @classmethod
    def of(cls, network: str, stop: Stop) -> Self:
        evidence = [StrikeOut.model_validate(strike) for strike in stop.strikes]
        return cls.model_validate({**asdict(stop), "network": network, "evidence": evidence})


class HostOut(BaseModel):
    """Everything that is known of a host."""

    network: str = Field(description="What a ban covers: the address, or its IPv6 /64.")
    ban: BanOut | None
    stops: list[StopOut] = Field(description="Logins that are stopped at it.")
    strikes: list[StrikeOut] = Field(description="Those that have not led to a ban or a stop.")
    bans: int = Field(description="Bans in a row.")
    ignored: list[str] = Field(description="The ignored networks that cover it.")
    enforcers: list[EnforcerStatus] = Field(
        description="The processes that refuse banned hosts, and whether each refuses this one."
    )


class GatewayOut(BaseModel):
    """An address that hides the clients behind it, so that it is never banned."""

    host: str
    failures: int = Field(description="What its strikes of the last hour weigh.")
    spared: bool = Field(description="Whether it would be banned if it were no gateway.")


class BanIn(BaseModel):
    """A ban by hand."""

    network: str = Field(description="An address or a network.")
    bantime: str | None = Field(None, description="`1h`, `7 days`, -1 for ever. Left out: as the rules say.")
    reason: str = Field(min_length=1, max_length=1_000)


class LiftedOut(BaseModel):
    """The state of a ban after a request to lift it."""

    network: str
    banned: bool
    why: str = Field(description="Why the host is still banned; empty if it is not.")


class ResumedOut(BaseModel):
    """A login that may send again."""

    login: str
    networks: list[str] = Field(description="The hosts at which it was stopped.")


class RuleOut(BaseModel):
    """One setting, by fail2ban's name."""

    name: str
    value: str
    about: str


def visible_strikes(strikes: tuple[Strike, ...], token: ApiToken) -> list[StrikeOut]:
    return [StrikeOut.model_validate(strike) for strike in strikes if is_visible(strike, token)]


def visible_stops(host: Host, token: ApiToken) -> list[StopOut]:
    """The stops in force at a host, of the token's account alone."""
    return [
        StopOut.of(host.network, stop) for stop in host.active_stops if token.is_admin or token.scope == stop.account
    ]


def is_visible(strike: Strike, token: ApiToken) -> bool:
    return token.is_admin or token.scope in strike.readers
