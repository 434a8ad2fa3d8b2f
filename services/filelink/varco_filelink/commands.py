"""Compares an account's `filelink` section with its settings: a difference is one event. Pure."""

from datetime import timedelta
from typing import NamedTuple

from varco_common.base import units
from varco_common.events import Choice, FilelinkChosen, FilelinkWithdrawn
from varco_common.eventsourcing.commands import Change, CommandContext
from varco_filelink.model.account_settings import MONTH, LinkSettings


class DesiredLinkSettings(NamedTuple):
    """The section of an account file."""

    over: int
    keep: timedelta
    base_url: str
    signed: Choice


def change_settings(
    settings: LinkSettings | None, context: CommandContext, desired: DesiredLinkSettings | None
) -> list[Change]:
    """The change to what is desired; None turns links off. Empty if it is so already."""
    before = settings if settings and settings.over else None
    event = settings_event(context, desired)
    if desired is None:
        return [Change("remove", "filelink", "", "off", event)] if before else []
    detail = describe(desired)
    if not before:
        return [Change("add", "filelink", "", detail, event)]
    current = DesiredLinkSettings(before.over, before.keep, before.base_url, before.signed)
    if current == desired:
        return []
    return [Change("change", "filelink", "", f"{describe(current)} -> {detail}", event)]


def settings_event(context: CommandContext, desired: DesiredLinkSettings | None) -> FilelinkChosen | FilelinkWithdrawn:
    """The event that brings it about."""
    if desired is None:
        return context.event(FilelinkWithdrawn)
    return context.event(
        FilelinkChosen,
        over=desired.over,
        keep_seconds=round(desired.keep.total_seconds()),
        base_url=desired.base_url,
        signed=desired.signed,
    )


def describe(desired: DesiredLinkSettings) -> str:
    """For people."""
    signed = ", signed ones refused" if desired.signed is Choice.REFUSE else ""
    at = f", at {desired.base_url}" if desired.base_url else ""
    return f"over {units.format_size(desired.over)}, kept {format_keep(desired.keep)}{at}{signed}"


def format_keep(keep: timedelta) -> str:
    """As an account file has it: in months if they are whole."""
    months, rest = divmod(keep, MONTH)
    return units.format_duration(keep) if rest or not months else f"{months} month{'' if months == 1 else 's'}"
