"""Replays ratelimit's votes: on the usage of their time, or as they would be under other quotas."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from varco_common.events import (
    AccountClosed,
    AnyEvent,
    Meter,
    QuotaExcepted,
    QuotaExceptionRemoved,
    QuotaReset,
    QuotaSet,
)
from varco_common.eventsourcing.account_texts import ACCOUNT_TEXTS
from varco_common.eventsourcing.commands import Change, CommandContext
from varco_common.eventsourcing.replay.replayable import (
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
from varco_ratelimit.api import schemas
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
_FILTERS = tuple(kind.subject_filter() for kind in _KINDS)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class QuotaReplay:
    """Counts the mails again. Pending mails and the clock are in the figures of the recorded votes.

    Under other quotas (`judge`) only mails that would have passed count, and none is ever pending.
    """

    voter = VOTER
    settings = (*_FILTERS, *ACCOUNT_TEXTS.filters)

    def __init__(self) -> None:
        self._quotas: SettingsHistory[AccountQuotas] = SettingsHistory(apply, account_of)
        self._texts: SettingsHistory[AccountTexts] = SettingsHistory(ACCOUNT_TEXTS.apply)
        self._accounts: dict[str, ReplayCounters] = {}
        self._known = KnownRecipients()
        self._command = schemas.quotas_command(None)
        self._counts_first_time = False
        self._assumed: tuple[SettingsVersion[AccountQuotas], AccountQuotas] | None = None
        self._newest = self._passed = 0

    def apply_event(self, sequence: int, event: AnyEvent) -> None:
        self._quotas.apply_event(sequence, event)
        self._texts.apply_event(sequence, event)
        self._newest = sequence

    def warm_up(self, *, assumed: bool) -> timedelta:
        """The longest window, or how long recipients are known if they are limited."""
        return timedelta(days=DAYS + 1) if assumed and self._counts_first_time else timedelta(milliseconds=LONGEST)

    # as it was

    def recorded(self, case: ReplayCase) -> Vote | None:
        return case.vote(VOTER)

    def needs(self, vote: Vote) -> int:
        inputs = vote_inputs(vote.figures)
        return inputs.counted if inputs else 0

    def decided_at(self, vote: Vote) -> int:
        return vote.figures.get(CLOCK, 0)

    def count_passed(self, case: ReplayCase) -> None:
        assert case.passed
        at = (case.passed.at - _EPOCH) // timedelta(milliseconds=1)
        vote = case.vote(VOTER)
        first_time = vote.figures.get(FIRST_TIME, 0) if vote else 0
        sender = sender_key(case.envelope.sender)
        self._counters(case).add(sender, at, case.passed.sequence, amounts_of(case.ballot, first_time))

    def decide(self, case: ReplayCase, recorded: Vote) -> Vote | UnclearDecision:
        if (inputs := vote_inputs(recorded.figures)) is None:
            return UnclearDecision("the vote is older than its figures")
        account = self._quotas.as_of(case.envelope.account, recorded.sequence)
        counters = self._counters(case).as_of(inputs.counted, inputs.pending, inputs.whole)
        amounts = amounts_of(case.ballot, inputs.first_time)
        texts = self._texts.as_of(case.envelope.account, recorded.sequence)
        return decide(case.ballot, account, counters, amounts, inputs.clock, texts=texts).vote

    def _counters(self, case: ReplayCase) -> ReplayCounters:
        name = case.envelope.account
        counters = self._accounts.get(name)
        if counters is None:
            self._accounts[name] = counters = ReplayCounters()
        return counters

    # what if

    async def assume(self, account: str, sections: Mapping[str, Any], assumed: Sequence[AnyEvent]) -> None:  # noqa: ARG002
        self._command = schemas.quotas_patch(sections.get(_SECTION), _SECTION)
        quotas = self._as_if(self._quotas.version(account, self._newest), account, datetime.now(UTC))
        excepted = [exception.limits for exception in quotas.exceptions.values()]
        limits: list[Collection[Meter]] = [quotas.quotas.senders, quotas.quotas.whole, *excepted]
        self._counts_first_time = any(Meter.FIRST_TIME in meters for meters in limits)

    async def plan(self, account: str, sections: Mapping[str, Any], at: datetime) -> list[SettingsLine]:
        quotas = self._quotas.as_of(account, self._newest) or AccountQuotas(account=account)
        changes = _changes(
            schemas.quotas_patch(sections.get(_SECTION), _SECTION), quotas, CommandContext(account, at, "rehearsal")
        )
        return [SettingsLine(change.line, change.event) for change in changes]

    def judge(self, case: ReplayCase, *, others: bool) -> Vote | None:
        if case.early:
            return None
        envelope, recorded = case.envelope, case.vote(VOTER)
        inputs = vote_inputs(recorded.figures) if recorded else None
        now = inputs.clock if inputs else milliseconds(envelope.received_at)
        sequence = recorded.sequence if recorded else case.sequence
        version, texts = self._quotas.version(envelope.account, sequence), self._texts.as_of(envelope.account, sequence)
        account = self._as_if(version, envelope.account, envelope.received_at)
        sender, counters = sender_key(envelope.sender), self._counters(case)
        amounts = amounts_of(case.ballot, self._first_time(case, sender, now))
        vote = decide(case.ballot, account, counters.as_of(self._passed), amounts, now, texts=texts).vote
        if vote.reply.accepts and others:
            self._passed += 1
            counters.add(sender, now, self._passed, amounts)
            self._add_recipients(case, sender, now)
        return vote

    def _as_if(self, version: SettingsVersion[AccountQuotas], name: str, at: datetime) -> AccountQuotas:
        """The quotas of that version after the assumed change.

        The last result is kept: versions change seldom.
        """
        if self._assumed is None or self._assumed[0] is not version:
            state = version.state or AccountQuotas(account=name)
            assumed: AccountQuotas | None = state
            for change in _changes(self._command, state, CommandContext(name, at, "rehearsal")):
                assumed = apply(assumed, cast(AnyEvent, change.event))
            self._assumed = (version, assumed or state)
        return self._assumed[1]

    def _first_time(self, case: ReplayCase, sender: str, now: int) -> int:
        if not self._counts_first_time:
            return 0
        envelope = case.envelope
        return first_time_count(self._known, envelope.account, sender, map(sender_key, envelope.recipients), now)

    def _add_recipients(self, case: ReplayCase, sender: str, now: int) -> None:
        if self._counts_first_time:
            for recipient in case.envelope.recipients:
                self._known.put(pair_of(case.envelope.account, sender, sender_key(recipient)), day_of(now))


def _changes(command: schemas.QuotaCommand, account: AccountQuotas, context: CommandContext) -> list[Change]:
    with refused_sections(_SECTION):
        return command(account, context)


def _show(account: AccountQuotas) -> Sections:
    document = dict(schemas.document(account) or {})
    whole = document.pop("account", {})
    exceptions = document.pop("exceptions", [])
    return {
        _SECTION: document,
        "quotas of the account": whole,
        "quota exceptions": {exception["sender"]: exception for exception in exceptions},
        "quota resets": {sender or "the whole account": at for sender, at in account.resets.items()},
    }


def voter(_: Settings) -> QuotaReplay:
    """For verify and what-if."""
    return QuotaReplay()


def settings_view(_: Settings) -> FoldedSettings[AccountQuotas]:
    """For the settings as of a time."""
    return FoldedSettings(*_FILTERS, apply=apply, show=_show, key=account_of)
