"""Replays of policy: past votes, on accounts as they were or as a file would have them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast, get_args

from msgspec.structs import replace

from varco_common.events import (
    AnyEvent,
    AnyPolicyEvent,
    CredentialUpgraded,
    CredentialUsed,
    Event,
    FilelinkChosen,
    FilelinkWithdrawn,
    PasswordChanged,
    TokenUsed,
)
from varco_common.eventsourcing.commands import Change, CommandContext
from varco_common.eventsourcing.replay.replayable import (
    IndependentReplay,
    RefusedSection,
    ReplayCase,
    Sections,
    SettingsLine,
    UnclearDecision,
)
from varco_common.eventsourcing.replay.settings_history import SettingsHistory, SettingsVersion
from varco_common.eventsourcing.replay.settings_view import FoldedSettings
from varco_common.mail.ballot import Ballot, Vote
from varco_common.mail.replies import Reply
from varco_common.runtime.documents import refused_sections
from varco_policy.account_directory import account_of
from varco_policy.api.account_patch import patched_document
from varco_policy.api.request_parsing import parse_without_users
from varco_policy.api.response_rendering import exceptions_out, language_out, rules_out
from varco_policy.decide import VOTER, decide
from varco_policy.desired_state import DesiredUser, Owners, changes_to
from varco_policy.model.account import Account
from varco_policy.model.account_projection import apply
from varco_policy.model.credential import Credential
from varco_policy.normalization import normal_login
from varco_policy.settings import Settings

SETTINGS = Settings

_WITHOUT_EFFECT = (
    PasswordChanged,
    CredentialUpgraded,
    CredentialUsed,
    TokenUsed,
)  # many, and nothing shown depends on them
_FILTERS = tuple(kind.subject_filter() for kind in get_args(AnyPolicyEvent) if kind not in _WITHOUT_EFFECT)
_NO_OWNERS = Owners(login=lambda _: None, network=lambda _: None)
_ANY_HASH = "(a replay hashes nothing)"


class PolicyReplay(IndependentReplay):
    """Folds each account up to the sequence of each vote."""

    voter = VOTER
    settings = (*_FILTERS, FilelinkChosen.subject_filter(), FilelinkWithdrawn.subject_filter())

    def __init__(self) -> None:
        self._accounts: SettingsHistory[Account] = SettingsHistory(apply, account_of)
        self._sections: Mapping[str, Any] = {}
        self._link_events: Sequence[AnyEvent] = ()
        self._assumed: dict[str, tuple[SettingsVersion[Account], Account | None]] = {}
        self._newest = 0

    def apply_event(self, sequence: int, event: AnyEvent) -> None:
        self._accounts.apply_event(sequence, event)
        self._newest = sequence

    def decide(self, case: ReplayCase, recorded: Vote) -> Vote | UnclearDecision:
        return decide(case.ballot, self._accounts.as_of(case.envelope.account, recorded.sequence))

    async def assume(self, account: str, sections: Mapping[str, Any], assumed: Sequence[AnyEvent]) -> None:
        self._sections = sections
        self._link_events = [event for event in assumed if isinstance(event, FilelinkChosen | FilelinkWithdrawn)]
        _changes(self._accounts.as_of(account, self._newest), account, sections, datetime.now(UTC))

    async def plan(self, account: str, sections: Mapping[str, Any], at: datetime) -> list[SettingsLine]:
        changes = _changes(self._accounts.as_of(account, self._newest), account, sections, at)
        return [SettingsLine(change.line, change.event) for change in changes]

    def judge(self, case: ReplayCase, *, others: bool) -> Vote | None:  # noqa: ARG002 - votes of others have no effect
        recorded = case.vote(VOTER)
        if case.early:
            ballot = _envelope_ballot(case)
            return decide(ballot, self._assumed_account(case, case.sequence)) if ballot else None
        return decide(case.ballot, self._assumed_account(case, recorded.sequence if recorded else case.sequence))

    def _assumed_account(self, case: ReplayCase, sequence: int) -> Account | None:
        """The account as it was then, with the assumed changes.

        They are made once for each version of it.
        """
        name = case.envelope.account
        version = self._accounts.version(name, sequence)
        known = self._assumed.get(name)
        if known is None or known[0] is not version:
            changes = _changes(version.state, name, self._sections, case.envelope.received_at)
            events = [*(change.event for change in changes), *self._link_events]
            known = self._assumed[name] = (version, _folded(version.state, events))
        return known[1]


def _envelope_ballot(case: ReplayCase) -> Ballot | None:
    """A ballot for a mail that ingress refused by its envelope, or None.

    The body is unknown, so the ballot has one to which no rule objects. How many more recipients
    there would have been is unknown too, so it has one more than ingress accepted.
    """
    envelope = case.envelope
    manifest = replace(case.manifest, authors=(envelope.sender,) if envelope.sender else ())
    match case.votes[0].reply:
        case Reply.TOO_MANY_RECIPIENTS:
            envelope = replace(envelope, recipients=(*envelope.recipients, "one more"))
        case Reply.SENDER_NOT_AUTHORISED:
            pass
        case Reply.TOO_BIG if envelope.size:
            pass
        case _:
            return None
    return Ballot(envelope=envelope, manifest=manifest)


def _changes(account: Account | None, name: str, sections: Mapping[str, Any], at: datetime) -> list[Change]:
    """The changes that applying the file would make.

    No vote depends on passwords, so they are left out.
    """
    with refused_sections():
        document = patched_document(dict(sections), account)
        if document.account not in (None, name):
            raise RefusedSection(f"the file describes {document.account}, not {name}")
        desired = parse_without_users(document, account, "a replay")
        if document.users is not None:
            credentials = account.credentials if account else {}
            logins = [normal_login(user.login) for user in document.users]
            users = {login: DesiredUser(None, None if login in credentials else _ANY_HASH) for login in logins}
            desired = replace(desired, users=users)
        return changes_to(desired, account, CommandContext(name, at, "rehearsal"), _NO_OWNERS)


def _folded(account: Account | None, events: Iterable[Event]) -> Account | None:
    for event in events:
        account = apply(account, cast(AnyEvent, event))
    return account


def _show(account: Account) -> Sections:
    """The account as its file has it, in parts that can be changed one by one."""
    return {
        "account": {
            "language": language_out(account),
            "time_zone": account.time_zone,
            "hosts": account.hosts,
            "opened": account.opened_at,
        },
        "users": {login: _shown_user(credential) for login, credential in account.credentials.items()},
        "senders": account.senders,
        "networks": {
            name: {"normalise": trusted.normalise, "domain": trusted.domain}
            for name, trusted in account.networks.items()
        },
        "rules": rules_out(account.rules).model_dump(mode="json"),
        "attachment exceptions": {
            str(exception["sender"]): {name: value for name, value in exception.items() if name != "sender"}
            for exception in exceptions_out(account)
        },
        "notices": {
            f"{notice} ({language})": text
            for notice, texts in account.notices.items()
            for language, text in texts.items()
        },
        "tokens": {token.id: token.name for token in account.tokens.values()},
    }


def _shown_user(credential: Credential) -> dict[str, Any]:
    return {"name": credential.name} | ({"disabled": True} if credential.disabled else {})


def voter(_: Settings) -> PolicyReplay:
    """For `varco replay verify` and what-if."""
    return PolicyReplay()


def settings_view(_: Settings) -> FoldedSettings[Account]:
    """For the settings as of a time."""
    return FoldedSettings(*_FILTERS, apply=apply, show=_show, key=account_of)
