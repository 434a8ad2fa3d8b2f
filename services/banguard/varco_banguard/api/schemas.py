"""What travels over HTTP."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from varco_banguard.ban_settings import IgnoredNetwork
from varco_banguard.model import Ban
from varco_common.events import Strike
from varco_common.runtime.tokens import ApiToken


class StrikeOut(BaseModel):
    """One piece of evidence."""

    at: datetime
    cause: str
    host: str
    weight: int
    login: str
    sender: str
    mail: str = Field(description="The refused mail's id; empty for failed logins.")
    accounts: list[str]

    @classmethod
    def of(cls, strike: Strike) -> Self:
        return cls(
            at=strike.at,
            cause=strike.cause.value,
            host=strike.host,
            weight=strike.weight,
            login=strike.login,
            sender=strike.sender,
            mail=strike.mail,
            accounts=[*strike.accounts],
        )


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
        return cls(
            network=network,
            since=ban.since,
            until=ban.until,
            count=ban.count,
            by=ban.by,
            reason=ban.reason,
            evidence=seen(ban.strikes, token),
        )


class EnforcerOut(BaseModel):
    """A process that refuses banned hosts, and whether it refuses this one."""

    service: str
    process: str
    how: str
    sequence: int = Field(description="The last event that it has applied.")
    bans: int
    enforces: bool
    why_not: str


class HostOut(BaseModel):
    """All that is known of a host."""

    network: str = Field(description="What is banned when it is: the address, or its IPv6 /64.")
    ban: BanOut | None
    strikes: list[StrikeOut] = Field(description="Those that led to no ban yet.")
    bans: int = Field(description="Bans in a row.")
    ignored: list[str] = Field(description="The ignored networks that cover it.")
    enforcers: list[EnforcerOut]


class BanIn(BaseModel):
    """A ban by hand."""

    network: str = Field(description="An address or a network.")
    bantime: str | None = Field(None, description="`1h`, `7 days`, -1 for ever. Left out: as the rules say.")
    reason: str = Field(min_length=1, max_length=1_000)


class IgnoredOut(BaseModel):
    """A network whose failures don't count."""

    network: str
    account: str = Field(description="Only failures that concern this account; empty: none counts.")
    since: datetime
    by: str
    reason: str

    @classmethod
    def of(cls, ignored: IgnoredNetwork) -> Self:
        return cls(
            network=ignored.network,
            account=ignored.account,
            since=ignored.since,
            by=ignored.by,
            reason=ignored.reason,
        )


class Lifted(BaseModel):
    """What became of a ban."""

    network: str
    banned: bool
    why: str = Field(description="Why it stands, where it does.")


class RuleOut(BaseModel):
    """One setting, by fail2ban's name."""

    name: str
    value: str
    about: str


def seen(strikes: tuple[Strike, ...], token: ApiToken) -> list[StrikeOut]:
    return [StrikeOut.of(strike) for strike in strikes if concerns(strike, token)]


def concerns(strike: Strike, token: ApiToken) -> bool:
    return token.is_admin or token.scope in strike.accounts
