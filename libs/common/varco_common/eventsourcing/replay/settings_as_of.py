"""An account's settings as of a sequence, each item with the event that set it."""

from collections.abc import Iterator, Mapping
from typing import Any

from varco_common.bus import Bus, StoredEvent
from varco_common.events import fact
from varco_common.eventsourcing.replay.frames import SettingsItem, StateQuestion
from varco_common.eventsourcing.replay.replayable import Sections, SettingsView
from varco_common.eventsourcing.replay.result_stream import ResultStream, read_settings

_NOTHING: Mapping[str, Any] = {}
_Place = tuple[str, str, str]  # key of the state, section, item


class ItemOrigins:
    """Which event set each item: the last one after which its value was another than before."""

    def __init__(self, view: SettingsView) -> None:
        self._view = view
        self._sections: dict[str, Sections] = {}
        self._origins: dict[_Place, StoredEvent] = {}

    def apply(self, stored: StoredEvent) -> None:
        key = self._view.apply(stored.sequence, stored.event)
        if key is None:
            return
        before, after = self._sections.get(key, {}), self._view.sections(key)
        self._sections[key] = after
        for section in {*before, *after}:
            old, new = before.get(section, _NOTHING), after.get(section, _NOTHING)
            if old is not new:
                self._compare((key, section), old, new, stored)

    def _compare(
        self, place: tuple[str, str], old: Mapping[str, Any], new: Mapping[str, Any], stored: StoredEvent
    ) -> None:
        for name in old.keys() - new.keys():
            self._origins.pop((*place, name), None)
        for name, value in new.items():
            if name not in old or (old[name] is not value and old[name] != value):
                self._origins[*place, name] = stored

    def items(self) -> Iterator[SettingsItem]:
        """All items as they are now."""
        for key, sections in self._sections.items():
            for section, items in sections.items():
                for name, value in items.items():
                    yield _item(section, name, value, self._origins.get((key, section, name)))


async def replay_settings(
    bus: Bus, question: StateQuestion, results: ResultStream, view: SettingsView
) -> dict[str, int]:
    view.begin(question.account, question.at, own=question.own)
    origins = ItemOrigins(view)
    await read_settings(bus, view.filters, question.last, results, origins.apply)
    items = [*origins.items()]
    for item in items:
        await results.add(item)
    return {"items": len(items)}


def _item(section: str, key: str, value: object, origin: StoredEvent | None) -> SettingsItem:
    if origin is None:
        return SettingsItem(section=section, key=key, value=value)
    event = origin.event
    return SettingsItem(
        section=section,
        key=key,
        value=value,
        sequence=origin.sequence,
        at=event.at,
        by=getattr(event, "by", ""),
        reason=getattr(event, "reason", ""),
        fact=fact(type(event)),
    )
