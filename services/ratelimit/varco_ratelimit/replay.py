"""ratelimit's rehearsals: its votes again, on what was sent by then; or what would have passed under other quotas."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from varco_common.base.errors import RefusedCommand
from varco_common.events import (
    AccountClosed,
    AnyEvent,
    Meter,
    QuotaExcepted,
    QuotaExceptionRemoved,
    QuotaReset,
    QuotaSet,
)
from varco_common.eventsourcing.commands import Change, CommandContext
from varco_common.eventsourcing.replay.replayable import (
    RefusedSection,
    ReplayCase,
    Sections,
    SettingsLine,
    UnclearDecision,
)
from varco_common.eventsourcing.replay.settings_history import SettingsHistory, SettingsVersion
from varco_common.eventsourcing.replay.settings_view import FoldedSettings
from varco_common.mail.ballot import Vote
from varco_ratelimit.api import forms
from varco_ratelimit.decide import VOTER, amounts_of, decide
from varco_ratelimit.known_recipients import DAYS, KnownRecipients, day_of, first_time_count, pair_of
from varco_ratelimit.model import AccountQuotas, account_of, apply, sender_key
from varco_ratelimit.quota_windows import LONGEST, milliseconds
from varco_ratelimit.replay_counters import ReplayCounters
from varco_ratelimit.settings import Settings
from varco_ratelimit.vote_inputs import CLOCK, FIRST_TIME, vote_inputs

SETTINGS = Settings

_SECTION = "quotas"
_KINDS = (QuotaSet, QuotaExcepted, QuotaExceptionRemoved, QuotaReset, AccountClosed)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_section: TypeAdapter[Any] = TypeAdapter(forms.Section)


class QuotaReplay:
    """What was used is counted anew from the mails that it meets; what was pending, and the clock, are in the votes.

    Under other quotas (`judge`) only what would have passed counts, from its own time on, and nothing is ever pending.
    """

    voter = VOTER
    settings = tuple(kind.subject_filter() for kind in _KINDS)

    def __init__(self) -> None:
        self._quotas: SettingsHistory[AccountQuotas] = SettingsHistory(apply, account_of)
        self._counts: dict[str, ReplayCounters] = {}
        self._memory = KnownRecipients()
        self._command = forms.quotas_command(None)
        self._strangers = False
        self._changed: tuple[SettingsVersion[AccountQuotas], AccountQuotas] | None = None
        self._newest = self._turn = 0

    def apply_event(self, sequence: int, event: AnyEvent) -> None:
        self._quotas.apply_event(sequence, event)
        self._newest = sequence

    def warm_up(self, *, assumed: bool) -> timedelta:
        """The longest window; where first-time recipients are limited, as long as they are remembered."""
        return timedelta(days=DAYS + 1) if assumed and self._strangers else timedelta(milliseconds=LONGEST)

    # as it was

    def recorded(self, case: ReplayCase) -> Vote | None:
        return case.vote(VOTER)

    def needs(self, vote: Vote) -> int:
        known = vote_inputs(vote.figures)
        return known.counted if known else 0

    def decided_at(self, vote: Vote) -> int:
        return vote.figures.get(CLOCK, 0)

    def count_passed(self, case: ReplayCase) -> None:
        assert case.passed
        at = (case.passed.at - _EPOCH) // timedelta(milliseconds=1)
        vote = case.vote(VOTER)
        first_time = vote.figures.get(FIRST_TIME, 0) if vote else 0
        sender = sender_key(case.envelope.sender)
        self._count(case).add(sender, at, case.passed.sequence, amounts_of(case.ballot, first_time))

    def decide(self, case: ReplayCase, recorded: Vote) -> Vote | UnclearDecision:
        if (known := vote_inputs(recorded.figures)) is None:
            return UnclearDecision("the vote is older than its figures")
        account = self._quotas.as_of(case.envelope.account, recorded.sequence)
        ledger = self._count(case).as_of(known.counted, known.pending, known.whole)
        return decide(case.ballot, account, ledger, amounts_of(case.ballot, known.first_time), known.clock).vote

    def _count(self, case: ReplayCase) -> ReplayCounters:
        name = case.envelope.account
        count = self._counts.get(name)
        if count is None:
            self._counts[name] = count = ReplayCounters()
        return count

    # what if

    async def assume(self, account: str, sections: Mapping[str, Any], assumed: Sequence[AnyEvent]) -> None:  # noqa: ARG002
        form = _form(sections)
        self._command = forms.quotas_command(form)
        changed = self._planned(self._quotas.version(account, self._newest), account, datetime.now(UTC))
        excepted = [limits for one in changed.exceptions.values() for limits in one.limits]
        self._strangers = Meter.FIRST_TIME in {*changed.quotas.senders, *changed.quotas.whole, *excepted}

    async def plan(self, account: str, sections: Mapping[str, Any], at: datetime) -> list[SettingsLine]:
        held = self._quotas.as_of(account, self._newest) or AccountQuotas(account=account)
        return [
            SettingsLine(change.line, change.event)
            for change in _changes(
                forms.quotas_command(_form(sections)), held, CommandContext(account, at, "rehearsal")
            )
        ]

    def judge(self, case: ReplayCase, *, others: bool) -> Vote | None:
        if case.early:
            return None
        recorded = case.vote(VOTER)
        known = vote_inputs(recorded.figures) if recorded else None
        now = known.clock if known else milliseconds(case.envelope.received_at)
        version = self._quotas.version(case.envelope.account, recorded.sequence if recorded else case.sequence)
        account = self._planned(version, case.envelope.account, case.envelope.received_at)
        sender, count = sender_key(case.envelope.sender), self._count(case)
        amounts = amounts_of(case.ballot, self._first_time(case, sender, now))
        vote = decide(case.ballot, account, count.as_of(self._turn), amounts, now).vote
        if vote.reply.accepts and others:
            self._turn += 1
            count.add(sender, now, self._turn, amounts)
            self._meet(case, sender, now)
        return vote

    def _planned(self, version: SettingsVersion[AccountQuotas], name: str, at: datetime) -> AccountQuotas:
        """The same version is changed once."""
        if self._changed is None or self._changed[0] is not version:
            held = version.state or AccountQuotas(account=name)
            changed: AccountQuotas | None = held
            for one in _changes(self._command, held, CommandContext(name, at, "rehearsal")):
                changed = apply(changed, cast(AnyEvent, one.event))
            self._changed = (version, changed or held)
        return self._changed[1]

    def _first_time(self, case: ReplayCase, sender: str, now: int) -> int:
        if not self._strangers:
            return 0
        envelope = case.envelope
        return first_time_count(self._memory, envelope.account, sender, map(sender_key, envelope.recipients), now)

    def _meet(self, case: ReplayCase, sender: str, now: int) -> None:
        if self._strangers:
            for recipient in case.envelope.recipients:
                self._memory.put(pair_of(case.envelope.account, sender, sender_key(recipient)), day_of(now))


def _form(sections: Mapping[str, Any]) -> forms.QuotasForm | None:
    try:
        form: forms.QuotasForm | None = _section.validate_python(sections.get(_SECTION))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise RefusedSection(first["msg"], (_SECTION, *map(str, first["loc"]))) from None
    return form


def _changes(command: forms.QuotaCommand, held: AccountQuotas, context: CommandContext) -> list[Change]:
    try:
        return command(held, context)
    except RefusedCommand as error:
        raise RefusedSection(str(error), (_SECTION,)) from None


def _show(held: AccountQuotas) -> Sections:
    document = dict(forms.document(held) or {})
    whole = document.pop("account", {})
    exceptions = document.pop("exceptions", [])
    return {
        _SECTION: document,
        "quotas of the account": whole,
        "quota exceptions": {one["sender"]: one for one in exceptions},
        "quota resets": {sender or "the whole account": at for sender, at in held.resets.items()},
    }


def voter(_: Settings) -> QuotaReplay:
    """For verify and what-if."""
    return QuotaReplay()


def settings_view(_: Settings) -> FoldedSettings[AccountQuotas]:
    """For state as of."""
    return FoldedSettings(*QuotaReplay.settings, apply=apply, show=_show, key=account_of)
