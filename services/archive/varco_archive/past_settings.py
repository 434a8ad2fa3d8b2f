"""An account's copy settings at any time: archive's part of `varco replay state`."""

from varco_archive.api.schemas import section
from varco_archive.model import FILTERS, CopySettings, apply
from varco_archive.settings import Settings
from varco_common.eventsourcing.replay.replayable import Sections
from varco_common.eventsourcing.replay.settings_view import FoldedSettings

SETTINGS = Settings


def _sections(settings: CopySettings) -> Sections:
    return {"archive": section(settings) or {}}


def settings_view(_: Settings) -> FoldedSettings[CopySettings]:
    """Named as the replay process expects."""
    return FoldedSettings(*FILTERS, apply=apply, show=_sections)
