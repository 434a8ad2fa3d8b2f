"""Replays filelink's votes on the settings of any time, or on those of an account file."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from varco_common.base import units
from varco_common.events import AnyEvent, Choice, FilelinkChosen, FilelinkWithdrawn
from varco_common.eventsourcing.commands import CommandContext
from varco_common.eventsourcing.replay.replayable import (
    IndependentReplay,
    RefusedSection,
    ReplayCase,
    Sections,
    SettingsLine,
    UnclearDecision,
)
from varco_common.eventsourcing.replay.settings_history import SettingsHistory
from varco_common.eventsourcing.replay.settings_view import FoldedSettings
from varco_common.mail.ballot import Vote
from varco_filelink.api.schemas import FilelinkSection
from varco_filelink.commands import DesiredLinkSettings, change_settings, format_keep, settings_event
from varco_filelink.decide import VOTER, decide
from varco_filelink.model import account_settings
from varco_filelink.model.account_settings import LinkSettings
from varco_filelink.settings import Settings

SETTINGS = Settings

_SECTION = "filelink"
_section: TypeAdapter[Any] = TypeAdapter(FilelinkSection)


class FilelinkReplay(IndependentReplay):
    """Each vote is decided on the settings as of its own sequence."""

    voter = VOTER
    settings = account_settings.FILTERS

    def __init__(self) -> None:
        self._history: SettingsHistory[LinkSettings] = SettingsHistory(account_settings.apply)
        self._assumed: FilelinkChosen | FilelinkWithdrawn | None = None
        self._newest = 0

    def apply_event(self, sequence: int, event: AnyEvent) -> None:
        self._history.apply_event(sequence, event)
        self._newest = sequence

    def decide(self, case: ReplayCase, recorded: Vote) -> Vote | UnclearDecision:
        return decide(case.ballot, self._history.as_of(case.envelope.account, recorded.sequence))

    async def assume(self, account: str, sections: Mapping[str, Any], assumed: Sequence[AnyEvent]) -> None:  # noqa: ARG002
        if _SECTION in sections:
            self._assumed = settings_event(CommandContext(account, datetime.now(UTC), "rehearsal"), _desired(sections))

    async def plan(self, account: str, sections: Mapping[str, Any], at: datetime) -> list[SettingsLine]:
        context = CommandContext(account, at, "rehearsal")
        desired = _desired(sections)
        changes = change_settings(self._history.as_of(account, self._newest), context, desired)
        return [SettingsLine(changes[0].line if changes else "", settings_event(context, desired))]

    def judge(self, case: ReplayCase, *, others: bool) -> Vote | None:  # noqa: ARG002
        if case.early:
            return None
        recorded = case.vote(VOTER)
        settings = self._history.as_of(case.envelope.account, recorded.sequence if recorded else case.sequence)
        return decide(case.ballot, account_settings.apply(settings, self._assumed) if self._assumed else settings)


def _desired(sections: Mapping[str, Any]) -> DesiredLinkSettings | None:
    try:
        form = _section.validate_python(sections[_SECTION])
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise RefusedSection(first["msg"], (_SECTION, *map(str, first["loc"]))) from None
    return form.desired() if form else None


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
