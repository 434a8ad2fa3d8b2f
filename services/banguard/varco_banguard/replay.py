"""banguard's rehearsals: its votes again, by the bans that it knew and its clock; and the bans of any time."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from varco_banguard import ban_settings, model, rule_settings
from varco_banguard.ban_settings import BanSettings
from varco_banguard.decide import VOTER, Position, decide, recorded_position
from varco_banguard.model import Host, accounts_of
from varco_banguard.settings import Settings
from varco_banguard.state import GATE_FACTS, NAME
from varco_common.base.subjects import event
from varco_common.events import AnyEvent, GateEvent, HostBanned, HostEvent, HostUnbanned
from varco_common.events.ban_table import BanTable
from varco_common.events.banguard import GATE
from varco_common.eventsourcing.replay.replayable import (
    EachAlone,
    RefusedSection,
    ReplayCase,
    Sections,
    SettingsLine,
    UnclearDecision,
)
from varco_common.mail.ballot import Vote

SETTINGS = Settings

_HOSTS = tuple(event(NAME, fact, "*") for fact in ("host-banned", "host-unbanned"))
_GATE = tuple(event(NAME, fact, GATE) for fact in GATE_FACTS)
_Learned = tuple[int, AnyEvent]


class BanguardReplay(EachAlone):
    """Hosts and gate are two followings, each with its own place: the table is made as of both."""

    voter = VOTER
    settings = (*_HOSTS, *_GATE)

    def __init__(self, settings: Settings) -> None:
        self._never = settings.balancer_networks
        self._hosts: list[_Learned] = []
        self._gate: list[_Learned] = []
        self._table, self._stand, self._taken = BanTable(self._never), Position(0, 0), (0, 0)

    def learn(self, sequence: int, event: AnyEvent) -> None:
        (self._gate if isinstance(event, GateEvent) else self._hosts).append((sequence, event))

    def decide(self, case: ReplayCase, recorded: Vote) -> Vote | UnclearDecision:
        if (known := recorded_position(recorded.figures)) is None:
            return UnclearDecision("the vote is older than its figures")
        stand, now = known
        return decide(case.ballot, self._as_of(stand), now)

    def _as_of(self, stand: Position) -> BanTable:
        """Goes on from the table of the vote before; anew where this one stood behind it, which is rare and costs a fold."""
        if stand.hosts < self._stand.hosts or stand.gate < self._stand.gate:
            self._table, self._taken = BanTable(self._never), (0, 0)
        hosts = _fold(self._table, self._hosts, self._taken[0], stand.hosts)
        gate = _fold(self._table, self._gate, self._taken[1], stand.gate)
        self._stand, self._taken = stand, (hosts, gate)
        return self._table

    async def assume(self, account: str, sections: Mapping[str, Any], assumed: Sequence[AnyEvent]) -> None:  # noqa: ARG002
        raise RefusedSection("bans are the gate's: no account's file has anything about them")

    async def plan(self, account: str, sections: Mapping[str, Any], at: datetime) -> list[SettingsLine]:  # noqa: ARG002
        return []

    def judge(self, case: ReplayCase, *, others: bool) -> Vote | None:  # noqa: ARG002
        return None


def _fold(table: BanTable, events: Sequence[_Learned], taken: int, last: int) -> int:
    while taken < len(events) and events[taken][0] <= last:
        table.apply(*events[taken])
        taken += 1
    return taken


class BanSettingsView:
    """The bans, the ignored networks and the rules of a time. `own`: those that concern the account alone."""

    shows = (
        *(
            event(NAME, fact, "*")
            for fact in (
                "host-found",
                "host-ignored",
                "host-banned",
                "host-unbanned",
                "strikes-forgiven",
                "host-forgotten",
            )
        ),
        *_GATE,
    )

    def __init__(self) -> None:
        self._account, self._at, self._own = "", datetime.max.replace(tzinfo=UTC), False
        self._hosts: dict[str, Host | None] = {}
        self._gate = BanSettings()

    def begin(self, account: str, at: datetime, *, own: bool) -> None:
        self._account, self._at, self._own = account, at, own

    def apply(self, sequence: int, event: AnyEvent) -> str | None:  # noqa: ARG002 - in order
        if isinstance(event, GateEvent):
            self._gate = ban_settings.apply(self._gate, event)
            return ""
        if not isinstance(event, HostEvent):
            return None
        before = self._hosts.get(event.network)
        self._hosts[event.network] = after = model.apply(before, event)
        if after is None:
            del self._hosts[event.network]
        return event.network if isinstance(event, HostBanned | HostUnbanned) or (before and before.ban) else None

    def sections(self, key: str) -> Sections:
        if not key:
            return self._of_gate()
        host = self._hosts.get(key)
        if not host or not host.ban or (host.ban.until and host.ban.until <= self._at):
            return {}
        concerned = accounts_of(host.ban.strikes)
        if self._own and self._account not in concerned:
            return {}
        ban = {"until": host.ban.until, "in_a_row": host.ban.count, "strikes": len(host.ban.strikes)}
        return {"bans": {key: ban if self._own else ban | {"accounts": concerned}}}

    def _of_gate(self) -> Sections:
        ignored = {
            one.network: {"account": one.account, "reason": one.reason}
            for one in self._gate.ignored
            if not one.account or one.account == self._account
        }
        if self._own:
            return {"ignored networks": ignored}
        return {"ignored networks": ignored, "ban rules": rule_settings.shown_rules(self._gate.rules)}


def voter(settings: Settings) -> BanguardReplay:
    """For verify."""
    return BanguardReplay(settings)


def shown(_: Settings) -> BanSettingsView:
    """For state as of."""
    return BanSettingsView()
