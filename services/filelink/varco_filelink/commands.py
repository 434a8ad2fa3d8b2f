"""The terms of all accounts, and how they are changed."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from varco_common.base import subjects, units
from varco_common.base.errors import NotFound
from varco_common.bus import Bus
from varco_common.events import Choice, FilelinkChosen, FilelinkWithdrawn
from varco_common.eventsourcing.projection import Projection
from varco_filelink.conversion.notice_text import MONTH
from varco_filelink.model.account_settings import LinkSettings

_SIGNS = {"add": "+", "change": "~", "remove": "-"}


class DesiredLinkSettings(NamedTuple):
    """What an account file says."""

    over: int
    keep: timedelta
    base_url: str
    signed: Choice


class Change(NamedTuple):
    """One difference; `detail` is for people."""

    op: Literal["add", "change", "remove"]
    section: str
    key: str
    detail: str

    @property
    def line(self) -> str:
        return " ".join(filter(None, (_SIGNS[self.op], self.section, self.key, self.detail)))


class SettingsCommands:
    """Reads are answered from memory; a change is an event."""

    def __init__(self, bus: Bus, projection: Projection[LinkSettings], now: Callable[[], datetime]) -> None:
        self._bus, self._projection, self._now = bus, projection, now

    def get(self, account: str) -> LinkSettings | None:
        return self._projection.get(account)

    def terms(self, account: str) -> LinkSettings:
        """Raises NotFound."""
        if terms := self.get(account):
            return terms
        raise NotFound(f"no account {account} is known here: open it first")

    @staticmethod
    def lasting(keep: timedelta) -> str:
        """As an account file has it: months where they are whole."""
        months, rest = divmod(keep, MONTH)
        return units.format_duration(keep) if rest or not months else f"{months} month{'' if months == 1 else 's'}"

    async def choose(
        self, account: str, wish: DesiredLinkSettings | None, by: str, reason: str, *, dry_run: bool
    ) -> list[Change]:
        """None turns it off. Raises NotFound where the account isn't open, ConflictError where somebody was faster."""
        if not dry_run:
            await self._opened(account)
        now = self.get(account)
        changes = differences(now, wish)
        if changes and not dry_run:
            said = {"at": self._now(), "account": account, "by": by, "reason": reason}
            await self._commit(settings_event(wish, said))
        return changes

    async def _opened(self, account: str) -> None:
        """Policy may have opened it a moment ago."""
        last = await self._bus.events.last_sequence(subjects.event("policy", "account-opened", subjects.token(account)))
        await self._projection.reached(last)
        self.terms(account)

    async def _commit(self, event: FilelinkChosen | FilelinkWithdrawn) -> None:
        guard = event.subject
        last = await self._bus.events.last_sequence(guard)
        await self._projection.reached(last)
        await self._projection.reached(await self._bus.events.append(event, expect=last, expect_subject=guard))


def differences(now: LinkSettings | None, wish: DesiredLinkSettings | None) -> list[Change]:
    """What would be otherwise; none: it is so already."""
    before = now if now and now.over else None
    if wish is None:
        return [Change("remove", "filelink", "", "off")] if before else []
    if before and _wish(before) == wish:
        return []
    detail = describe(wish)
    if before:
        return [Change("change", "filelink", "", f"{describe(_wish(before))} -> {detail}")]
    return [Change("add", "filelink", "", detail)]


def describe(wish: DesiredLinkSettings) -> str:
    """For people."""
    signed = ", signed ones refused" if wish.signed is Choice.REFUSE else ""
    at = f", at {wish.base_url}" if wish.base_url else ""
    return f"over {units.format_size(wish.over)}, kept {SettingsCommands.lasting(wish.keep)}{at}{signed}"


def _wish(terms: LinkSettings) -> DesiredLinkSettings:
    return DesiredLinkSettings(terms.over, terms.keep, terms.base_url, terms.signed)


def settings_event(wish: DesiredLinkSettings | None, said: dict[str, object]) -> FilelinkChosen | FilelinkWithdrawn:
    """The fact that makes it so; `said` has who, when, why, and of which account."""
    if wish is None:
        return FilelinkWithdrawn(**said)  # type: ignore[arg-type]
    return FilelinkChosen(
        **said,  # type: ignore[arg-type]
        over=wish.over,
        keep_seconds=round(wish.keep.total_seconds()),
        base_url=wish.base_url,
        signed=wish.signed,
    )
