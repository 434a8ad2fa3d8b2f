"""banguard's HTTP API. An account's token sees the bans that rest on its own logins, senders or networks, and can undo those."""

from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Query
from fastapi.responses import PlainTextResponse, StreamingResponse

from varco_banguard import fail2ban_format, rule_settings
from varco_banguard.api.schemas import BanIn, BanOut, EnforcerOut, HostOut, IgnoredOut, Lifted, RuleOut, concerns, seen
from varco_banguard.ban_log import BanLog
from varco_banguard.ban_settings import IgnoredNetwork
from varco_banguard.commands import BanCommands, named
from varco_banguard.model import Host
from varco_banguard.state import BanguardState
from varco_banguard.strike_processor import utc_now
from varco_common.base.errors import NotFound
from varco_common.bus import Bus
from varco_common.events import HostEvent
from varco_common.events.ban_table import ENFORCER_STATUS, EnforcerStatus, Network, key_of, network_of
from varco_common.runtime.auth import Admin, Caller
from varco_common.runtime.tokens import ApiToken

Named = Annotated[str, Path(description="An address or a network.")]
Why = Annotated[str, Query(min_length=1, max_length=1_000, description="Why; it goes into the event.")]
_enforcer = msgspec.json.Decoder(EnforcerStatus)


def router(bus: Bus, register: BanguardState, commands: BanCommands, chronicle: BanLog) -> APIRouter:
    api = APIRouter()
    _bans(api, bus, register, commands)
    _ignored(api, register, commands)
    _rules(api, register, commands)
    _log(api, chronicle)
    return api


def _bans(api: APIRouter, bus: Bus, register: BanguardState, commands: BanCommands) -> None:
    @api.get("/bans", tags=["bans"])
    async def list_bans(token: Caller) -> list[BanOut]:
        """The bans in force, the newest first."""
        bans = [BanOut.of(h.network, h.ban, token) for h in register.hosts() if h.ban and _may_see(h, token)]
        return sorted(bans, key=lambda ban: ban.since, reverse=True)

    @api.post("/bans", tags=["bans"], status_code=201)
    async def add_ban(form: BanIn, token: Admin) -> BanOut:
        """Bans by hand; a ban that is there is replaced."""
        host = await commands.ban(form.network, form.bantime, _by(token), form.reason)
        assert host.ban
        return BanOut.of(host.network, host.ban, token)

    @api.get("/bans/{network:path}", tags=["bans"])
    async def show_host(network: Named, token: Caller) -> HostOut:
        """All that is known of a host, and which processes refuse it."""
        wanted = named(network)
        host = register.host(key_of(wanted))
        if not token.is_admin and not (host and _may_see(host, token)):
            raise NotFound(f"nothing of {token.scope} speaks against {key_of(wanted)}")
        banned = host if host and host.ban else register.banned_around(wanted, utc_now())
        return HostOut(
            network=key_of(wanted),
            ban=BanOut.of(banned.network, banned.ban, token) if banned and banned.ban else None,
            strikes=seen(host.strikes, token) if host else [],
            bans=host.bans if host else 0,
            ignored=[one.network for one in register.gate.ignored if _concerned(one, wanted, token)],
            enforcers=await _enforcers(bus, str(wanted.network_address) if "/" in network else network.strip()),
        )

    @api.delete("/bans/{network:path}", tags=["bans"])
    async def lift_ban(network: Named, reason: Why, token: Caller) -> Lifted:
        """Ends a ban. An account's token takes back its own strikes; the ban stands where others' suffice."""
        host = await commands.lift(network, _by(token), _account(token), reason)
        banned = bool(host and host.ban)
        why = "it rests on strikes that concern others, or was set by hand" if banned else ""
        return Lifted(network=key_of(named(network)), banned=banned, why=why)


def _ignored(api: APIRouter, register: BanguardState, commands: BanCommands) -> None:
    @api.get("/ignored", tags=["ignored networks"])
    async def list_ignored(token: Caller) -> list[IgnoredOut]:
        """Networks whose failures don't count."""
        return [IgnoredOut.of(one) for one in register.gate.ignored if token.is_admin or token.scope == one.account]

    @api.put("/ignored/{network:path}", tags=["ignored networks"])
    async def ignore(network: Named, reason: Why, token: Caller) -> IgnoredOut:
        """Failures from it count no more, and bans that it covers end. An account's is for failures that concern it."""
        return IgnoredOut.of(await commands.ignore(network, _by(token), _account(token), reason))

    @api.delete("/ignored/{network:path}", tags=["ignored networks"], status_code=204)
    async def unignore(network: Named, reason: Why, token: Caller, account: str = "") -> None:
        """Its failures count again."""
        await commands.unignore(network, _by(token), account if token.is_admin else token.scope, reason)


def _rules(api: APIRouter, register: BanguardState, commands: BanCommands) -> None:
    @api.get("/rules", tags=["rules"])
    async def show_rules(_: Admin) -> list[RuleOut]:
        """What bans go by, in fail2ban's words."""
        return _shown(rule_settings.shown_rules(register.gate.rules))

    @api.patch("/rules", tags=["rules"])
    async def set_rules(form: dict[str, str | int | float | bool], token: Admin, reason: str = "") -> list[RuleOut]:
        """Changes what is given: `{"maxretry": 5, "bantime": "1d", "strike.broken-off": "off"}`."""
        return _shown(rule_settings.shown_rules(await commands.set_rules(form, _by(token), reason)))


def _log(api: APIRouter, chronicle: BanLog) -> None:
    @api.get("/log", tags=["log"], response_class=PlainTextResponse)
    async def read_log(
        token: Caller,
        ip: Annotated[str, Query(description="Only this host's lines, all there ever were.")] = "",
        lines: Annotated[int, Query(ge=0, le=100_000, description="So many of the newest.")] = 1_000,
        *,
        follow: Annotated[bool, Query(description="Go on with new lines as they come.")] = False,
    ) -> StreamingResponse:
        """The ban log, in fail2ban's format."""
        host = str(named(ip).network_address) if ip else ""

        def wanted(said: HostEvent) -> bool:
            return token.is_admin or token.scope in fail2ban_format.accounts_allowed_to_read(said)

        async def text() -> AsyncIterator[str]:
            live = chronicle.live(host, wanted) if follow else None
            for line in await chronicle.past(host, wanted, lines) if lines else []:
                yield line + "\n"
            if live:
                async for line in live:
                    yield line + "\n"

        return StreamingResponse(text(), media_type="text/plain")


async def _enforcers(bus: Bus, host: str) -> list[EnforcerOut]:
    answers = [_enforcer.decode(answer) for answer in await bus.requests.ask_everyone(ENFORCER_STATUS, host.encode())]
    return [
        EnforcerOut(**msgspec.structs.asdict(one))
        for one in sorted(answers, key=lambda one: (one.service, one.process))
    ]


def _may_see(host: Host, token: ApiToken) -> bool:
    strikes = (*host.strikes, *(host.ban.strikes if host.ban else ()))
    return token.is_admin or any(concerns(strike, token) for strike in strikes)


def _concerned(ignored: IgnoredNetwork, wanted: Network, token: ApiToken) -> bool:
    """What another account ignores is nothing to this one."""
    network = network_of(ignored.network)
    mine = token.is_admin or ignored.account in ("", token.scope)
    return mine and wanted.version == network.version and wanted.overlaps(network)


def _shown(rules: dict[str, str]) -> list[RuleOut]:
    about = {name: word.about for name, word in rule_settings.RULE_SETTINGS.items()}
    return [
        RuleOut(name=name, value=value, about=about.get(name, "What such a failure weighs; 0 or off: it is no strike."))
        for name, value in rules.items()
    ]


def _by(token: ApiToken) -> str:
    return f"token:{token.id}"


def _account(token: ApiToken) -> str:
    return "" if token.is_admin else token.scope
