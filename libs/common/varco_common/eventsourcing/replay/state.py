"""An account's settings as of a sequence, each with the event that made it so."""

from collections.abc import Iterator, Mapping
from contextlib import aclosing
from typing import Any

from varco_common.bus import Bus, StoredEvent, UnreadableEvent
from varco_common.events import fact
from varco_common.eventsourcing.replay.frames import SettingsItem, StateQuestion, UnreadableMail
from varco_common.eventsourcing.replay.replayable import Sections, SettingsView
from varco_common.eventsourcing.replay.result_stream import ResultStream

_NOTHING: Mapping[str, Any] = {}
Place = tuple[str, str, str]  # of which state, section, and what in it


class Makers:
    """Which event made each item what it is: what says something else after an event than before was changed by it."""

    def __init__(self, shown: SettingsView) -> None:
        self._shown = shown
        self._said: dict[str, Sections] = {}
        self._makers: dict[Place, StoredEvent] = {}

    def apply(self, stored: StoredEvent) -> None:
        key = self._shown.apply(stored.sequence, stored.event)
        if key is None:
            return
        before, now = self._said.get(key, {}), self._shown.sections(key)
        self._said[key] = now
        for section in {*before, *now}:
            old, new = before.get(section, _NOTHING), now.get(section, _NOTHING)
            if old is not new:
                self._compare(key, section, old, new, stored)

    def _compare(
        self, key: str, section: str, old: Mapping[str, Any], new: Mapping[str, Any], stored: StoredEvent
    ) -> None:
        for name in old.keys() - new.keys():
            self._makers.pop((key, section, name), None)
        for name, value in new.items():
            if name not in old or (old[name] is not value and old[name] != value):
                self._makers[key, section, name] = stored

    def items(self) -> Iterator[SettingsItem]:
        """All that is said now, with its makers."""
        for key, sections in self._said.items():
            for section, said in sections.items():
                for name, value in said.items():
                    yield _item(section, name, value, self._makers.get((key, section, name)))


async def tell(bus: Bus, question: StateQuestion, talk: ResultStream, shown: SettingsView) -> dict[str, int]:
    shown.begin(question.account, question.at, own=question.own)
    makers, count = Makers(shown), 0
    async with aclosing(bus.events.read(*shown.shows, after=0, last=question.last)) as events:
        async for one in events:
            if isinstance(one, UnreadableEvent):
                await talk.say(UnreadableMail(sequence=one.sequence, why=one.why))
            else:
                makers.apply(one)
            if talk.due:
                await talk.flush()  # still at work
    for item in makers.items():
        await talk.say(item)
        count += 1
    return {"items": count}


def _item(section: str, key: str, value: object, maker: StoredEvent | None) -> SettingsItem:
    if maker is None:
        return SettingsItem(section=section, key=key, value=value)
    event = maker.event
    return SettingsItem(
        section=section,
        key=key,
        value=value,
        sequence=maker.sequence,
        at=event.at,
        by=getattr(event, "by", ""),
        reason=getattr(event, "reason", ""),
        fact=fact(type(event)),
    )
