"""How an account's mail was copied at any time: archive's part of the state as of."""

from typing import Any

from varco_archive.api import schemas
from varco_archive.model import FILTERS, CopySettings, apply
from varco_archive.settings import Settings
from varco_common.eventsourcing.replay.replayable import Sections
from varco_common.eventsourcing.replay.settings_view import FoldedSettings

SETTINGS = Settings


def _show(held: CopySettings) -> Sections:
    said: dict[str, Any] = schemas.section(held) or {}
    return {"archive": said}


def shown(_: Settings) -> FoldedSettings[CopySettings]:
    """For state as of."""
    return FoldedSettings(*FILTERS, apply=apply, show=_show)
