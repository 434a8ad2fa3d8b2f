"""Replays of banguard: past votes, by its bans and clock of that time; and the bans at any time."""

from collections.abc import Sequence
from datetime import UTC, datetime

from varco_banguard import ban_settings, model
from varco_banguard.ban_settings import BanSettings
from varco_banguard.decide import VOTER, Position, decide, recorded_position
from varco_banguard.model import Ban, Host, Stop, readers_of
from varco_banguard.projections import HOST_FILTERS, SETTINGS_FILTERS
from varco_banguard.rule_settings import shown_rules
from varco_banguard.settings import Settings
from varco_common.events import (
    AnyEvent,
    GateEvent,
    GatewayDetected,
    HostBanned,
    HostEvent,
    HostUnbanned,
    LoginResumed,
    LoginStopped,
)
from varco_common.events.ban_table import BanTable
from varco_common.events.base import AccountEvent
from varco_common.events.stop_table import STOPPED
from varco_common.eventsourcing.account_texts import ACCOUNT_TEXTS
from varco_common.eventsourcing.replay.replayable import (
    ReplayCase,
    ReplayWithoutSettings,
    Sections,
    UnclearDecision,
)
from varco_common.eventsourcing.replay.settings_history import SettingsHistory
from varco_common.mail.account_texts import AccountTexts
from varco_common.mail.ballot import Vote

SETTINGS = Settings

_SequencedEvent = tuple[int, AnyEvent]


class BanguardReplay(ReplayWithoutSettings):
    """Hosts, ban settings and texts have a position each: the table is made as of the first two."""

    voter = VOTER
    settings = (
        HostBanned.subject_filter(),
        HostUnbanned.subject_filter(),
        GatewayDetected.subject_filter(),
        *STOPPED,
        *SETTINGS_FILTERS,
        *ACCOUNT_TEXTS.filters,
    )

    def __init__(self, settings: Settings) -> None:
        self._never = settings.never_banned
        self._texts: SettingsHistory[AccountTexts] = SettingsHistory(ACCOUNT_TEXTS.apply)
        self._host_events: list[_SequencedEvent] = []
        self._settings_events: list[_SequencedEvent] = []
        self._start()

    def apply_event(self, sequence: int, event: AnyEvent) -> None:
        if isinstance(event, AccountEvent):
            self._texts.apply_event(sequence, event)
            return
        (self._settings_events if isinstance(event, GateEvent) else self._host_events).append((sequence, event))

    def decide(self, case: ReplayCase, recorded: Vote) -> Vote | UnclearDecision:
        if (known := recorded_position(recorded.figures)) is None:
            return UnclearDecision("the vote is older than its figures")
        position, now = known
        texts = self._texts.as_of(case.envelope.account, position.texts)
        return decide(case.ballot, self._table_as_of(position), now, texts)

    def _start(self) -> None:
        self._table, self._position = BanTable(self._never), Position(0, 0)
        self._hosts_applied = self._settings_applied = 0

    def _table_as_of(self, position: Position) -> BanTable:
        """Goes on from the table of the last vote.

        For an earlier position, which is rare, it starts anew.
        """
        if position.hosts < self._position.hosts or position.settings < self._position.settings:
            self._start()
        self._hosts_applied = _apply_until(self._table, self._host_events, self._hosts_applied, position.hosts)
        self._settings_applied = _apply_until(
            self._table, self._settings_events, self._settings_applied, position.settings
        )
        self._position = position
        return self._table


def _apply_until(table: BanTable, events: Sequence[_SequencedEvent], applied: int, sequence: int) -> int:
    """Applies the events after the first `applied` ones, up to `sequence`.

    Returns how many are applied then.
    """
    while applied < len(events) and events[applied][0] <= sequence:
        table.apply(*events[applied])
        applied += 1
    return applied


class BanSettingsView:
    """The bans, the ignored networks and the rules at a time.

    `own`: only those that concern the account.
    """

    filters = (*HOST_FILTERS, *SETTINGS_FILTERS)

    def __init__(self) -> None:
        self._account, self._at, self._own = "", datetime.max.replace(tzinfo=UTC), False
        self._hosts: dict[str, Host] = {}
        self._settings = BanSettings()

    def begin(self, account: str, at: datetime, *, own: bool) -> None:
        self._account, self._at, self._own = account, at, own

    def apply(self, sequence: int, event: AnyEvent) -> str | None:  # noqa: ARG002 - events come in order
        if isinstance(event, GateEvent):
            self._settings = ban_settings.apply(self._settings, event)
            return ""
        if not isinstance(event, HostEvent):
            return None
        before = self._hosts.pop(event.network, None)
        if after := model.apply(before, event):
            self._hosts[event.network] = after
        shown = isinstance(event, HostBanned | HostUnbanned | LoginStopped | LoginResumed)
        return event.network if shown or (before and (before.ban or before.active_stops)) else None

    def sections(self, key: str) -> Sections:
        if not key:
            return self._settings_sections()
        host = self._hosts.get(key)
        if not host:
            return {}
        sections: dict[str, dict[str, object]] = {}
        if host.ban and (ban := self._ban(host.ban)):
            sections["bans"] = {key: ban}
        stops: dict[str, object] = {
            f"{key} {stop.login or stop.account}": _shown_stop(stop) for stop in self._stops(host)
        }
        if stops:
            sections["stopped logins"] = stops
        return sections

    def _ban(self, ban: Ban) -> dict[str, object]:
        accounts = readers_of(ban.strikes)
        if (ban.until and ban.until <= self._at) or (self._own and self._account not in accounts):
            return {}
        shown: dict[str, object] = {"until": ban.until, "in_a_row": ban.count, "strikes": len(ban.strikes)}
        return shown if self._own else shown | {"accounts": accounts}

    def _stops(self, host: Host) -> list[Stop]:
        return [
            stop
            for stop in host.active_stops
            if not (stop.until and stop.until <= self._at) and (not self._own or stop.account == self._account)
        ]

    def _settings_sections(self) -> Sections:
        ignored = {
            entry.network: {"account": entry.account, "reason": entry.reason}
            for entry in self._settings.ignored
            if entry.account in ("", self._account)
        }
        if self._own:
            return {"ignored networks": ignored}
        return {"ignored networks": ignored, "ban rules": shown_rules(self._settings.rules)}


def _shown_stop(stop: Stop) -> dict[str, object]:
    return {"account": stop.account, "until": stop.until, "in_a_row": stop.count, "strikes": len(stop.strikes)}


def voter(settings: Settings) -> BanguardReplay:
    """For `varco replay verify`."""
    return BanguardReplay(settings)


def settings_view(_: Settings) -> BanSettingsView:
    """For the settings as of a time."""
    return BanSettingsView()
