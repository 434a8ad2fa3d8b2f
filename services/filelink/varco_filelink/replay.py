"""Replays filelink's votes on the settings of any time, or on those of an account file."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from varco_common.base import units
from varco_common.events import AnyEvent, Choice
from varco_common.eventsourcing.account_texts import ACCOUNT_TEXTS
from varco_common.eventsourcing.commands import CommandContext
from varco_common.eventsourcing.replay.replayable import (
    IndependentReplay,
    ReplayCase,
    Sections,
    SettingsLine,
    UnclearDecision,
)
from varco_common.eventsourcing.replay.settings_history import SettingsHistory, SettingsVersion
from varco_common.eventsourcing.replay.settings_view import FoldedSettings
from varco_common.mail.account_texts import AccountTexts
from varco_common.mail.ballot import Vote
from varco_common.runtime.documents import refused_sections
from varco_filelink.api.schemas import desired_after
from varco_filelink.commands import DesiredLinkSettings, change_settings, format_keep, settings_event
from varco_filelink.decide import VOTER, decide
from varco_filelink.model import account_settings
from varco_filelink.model.account_settings import LinkSettings
from varco_filelink.settings import Settings

SETTINGS = Settings

_SECTION = "filelink"


class FilelinkReplay(IndependentReplay):
    """Each vote is decided on the settings as of its own sequence."""

    voter = VOTER
    settings = (*account_settings.FILTERS, *ACCOUNT_TEXTS.filters)

    def __init__(self) -> None:
        self._history: SettingsHistory[LinkSettings] = SettingsHistory(account_settings.apply)
        self._texts: SettingsHistory[AccountTexts] = SettingsHistory(ACCOUNT_TEXTS.apply)
        self._patch: Any = {}
        self._assumed: tuple[SettingsVersion[LinkSettings], LinkSettings | None] | None = None
        self._newest = 0

    def apply_event(self, sequence: int, event: AnyEvent) -> None:
        self._history.apply_event(sequence, event)
        self._texts.apply_event(sequence, event)
        self._newest = sequence

    def decide(self, case: ReplayCase, recorded: Vote) -> Vote | UnclearDecision:
        account, sequence = case.envelope.account, recorded.sequence
        return decide(case.ballot, self._history.as_of(account, sequence), self._texts.as_of(account, sequence))

    async def assume(self, account: str, sections: Mapping[str, Any], assumed: Sequence[AnyEvent]) -> None:  # noqa: ARG002
        self._patch = sections.get(_SECTION, {})
        _desired(self._history.as_of(account, self._newest), self._patch)

    async def plan(self, account: str, sections: Mapping[str, Any], at: datetime) -> list[SettingsLine]:
        context = CommandContext(account, at, "rehearsal")
        current = self._history.as_of(account, self._newest)
        desired = _desired(current, sections[_SECTION])
        changes = change_settings(current, context, desired)
        return [SettingsLine(changes[0].line if changes else "", settings_event(context, desired))]

    def judge(self, case: ReplayCase, *, others: bool) -> Vote | None:  # noqa: ARG002
        if case.early:
            return None
        recorded = case.vote(VOTER)
        account, sequence = case.envelope.account, recorded.sequence if recorded else case.sequence
        version = self._history.version(account, sequence)
        return decide(case.ballot, self._as_if(version, account), self._texts.as_of(account, sequence))

    def _as_if(self, version: SettingsVersion[LinkSettings], account: str) -> LinkSettings | None:
        """The settings of that version after the patch. The last result is kept."""
        if self._assumed is None or self._assumed[0] is not version:
            context = CommandContext(account, datetime.now(UTC), "rehearsal")
            event = settings_event(context, _desired(version.state, self._patch))
            self._assumed = (version, account_settings.apply(version.state, event))
        return self._assumed[1]


def _desired(settings: LinkSettings | None, patch: Any) -> DesiredLinkSettings | None:
    with refused_sections(_SECTION):
        return desired_after(settings, patch, _SECTION)


def _sections(settings: LinkSettings) -> Sections:
    if not settings.over:
        return {_SECTION: {"over": "off"}}
    return {
        _SECTION: {
            "over": units.format_size(settings.over),
            "keep": format_keep(settings.keep),
            "base_url": settings.base_url,
            "signed": "send" if settings.signed is Choice.ACCEPT else "refuse",  # as an account file has it
        }
    }


def voter(_: Settings) -> FilelinkReplay:
    """For verify and what-if. The replay process calls it by this name."""
    return FilelinkReplay()


def settings_view(_: Settings) -> FoldedSettings[LinkSettings]:
    """For the state at any time. The replay process calls it by this name."""
    return FoldedSettings(*account_settings.FILTERS, apply=account_settings.apply, show=_sections)
