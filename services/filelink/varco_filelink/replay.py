"""filelink's rehearsals: its votes again, on the terms as they were, or as a file would have them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from varco_common.base import units
from varco_common.events import AnyEvent, FilelinkChosen, FilelinkWithdrawn
from varco_common.eventsourcing.replay.history import SettingsHistory
from varco_common.eventsourcing.replay.replayable import (
    EachAlone,
    RefusedSection,
    ReplayCase,
    Sections,
    SettingsLine,
    UnclearDecision,
)
from varco_common.eventsourcing.replay.settings_view import FoldedSettings
from varco_common.mail.ballot import Vote
from varco_filelink.api.routes import FilelinkSection
from varco_filelink.commands import DesiredLinkSettings, SettingsCommands, differences, settings_event
from varco_filelink.decide import VOTER, decide
from varco_filelink.model import account_settings
from varco_filelink.model.account_settings import LinkSettings
from varco_filelink.settings import Settings

SETTINGS = Settings

_SECTION = "filelink"
_wanted: TypeAdapter[Any] = TypeAdapter(FilelinkSection)


class FilelinkReplay(EachAlone):
    """Terms are folded up to each vote's own sequence."""

    voter = VOTER
    settings = account_settings.FILTERS

    def __init__(self) -> None:
        self._terms: SettingsHistory[LinkSettings] = SettingsHistory(account_settings.apply)
        self._assumed: FilelinkChosen | FilelinkWithdrawn | None = None
        self._newest = 0

    def learn(self, sequence: int, event: AnyEvent) -> None:
        self._terms.learn(sequence, event)
        self._newest = sequence

    def decide(self, case: ReplayCase, recorded: Vote) -> Vote | UnclearDecision:
        return decide(case.ballot, self._terms.as_of(case.envelope.account, recorded.sequence))

    async def assume(self, account: str, sections: Mapping[str, Any], assumed: Sequence[AnyEvent]) -> None:  # noqa: ARG002
        if _SECTION in sections:
            self._assumed = _event(account, sections, datetime.now(UTC))

    async def plan(self, account: str, sections: Mapping[str, Any], at: datetime) -> list[SettingsLine]:
        made = differences(self._terms.as_of(account, self._newest), _wish(sections))
        return [SettingsLine(made[0].line if made else "", _event(account, sections, at))]

    def judge(self, case: ReplayCase, *, others: bool) -> Vote | None:  # noqa: ARG002 - others' votes don't matter to it
        if case.early:
            return None
        recorded = case.vote(VOTER)
        held = self._terms.as_of(case.envelope.account, recorded.sequence if recorded else case.sequence)
        return decide(case.ballot, account_settings.apply(held, self._assumed) if self._assumed else held)


def _wish(sections: Mapping[str, Any]) -> DesiredLinkSettings | None:
    try:
        form = _wanted.validate_python(sections[_SECTION])
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise RefusedSection(first["msg"], (_SECTION, *map(str, first["loc"]))) from None
    return form.wish() if form else None


def _event(account: str, sections: Mapping[str, Any], at: datetime) -> FilelinkChosen | FilelinkWithdrawn:
    return settings_event(_wish(sections), {"at": at, "account": account, "by": "rehearsal", "reason": ""})


def _show(held: LinkSettings) -> Sections:
    if not held.over:
        return {_SECTION: {"over": "off"}}
    return {
        _SECTION: {
            "over": units.format_size(held.over),
            "keep": SettingsCommands.lasting(held.keep),
            "base_url": held.base_url,
            "signed": str(held.signed),
        }
    }


def voter(_: Settings) -> FilelinkReplay:
    """For verify and what-if."""
    return FilelinkReplay()


def shown(_: Settings) -> FoldedSettings[LinkSettings]:
    """For state as of."""
    return FoldedSettings(*account_settings.FILTERS, apply=account_settings.apply, show=_show)
