"""policy's rehearsals: its votes again, on the accounts as they were, or as a file would have them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
from fastapi.exceptions import RequestValidationError
from msgspec.structs import replace
from pydantic import ValidationError

from varco_common.base import subjects
from varco_common.base.errors import RefusedCommand
from varco_common.events import AnyEvent, Event, FilelinkChosen, FilelinkWithdrawn
from varco_common.eventsourcing.replay.history import SettingsHistory, SettingsVersion
from varco_common.eventsourcing.replay.replayable import (
    EachAlone,
    RefusedSection,
    ReplayCase,
    Sections,
    SettingsLine,
    UnclearDecision,
)
from varco_common.eventsourcing.replay.settings_view import FoldedSettings
from varco_common.mail.ballot import Ballot, Vote
from varco_common.mail.replies import Reply
from varco_policy import normalization
from varco_policy.account_directory import NAME, account_of
from varco_policy.api import request_parsing
from varco_policy.api.response_rendering import rules_out
from varco_policy.api.schemas import AccountDocument
from varco_policy.commands import Change, Said
from varco_policy.decide import VOTER, decide
from varco_policy.desired_state import DesiredUser, Owners, plan
from varco_policy.model import Account, apply
from varco_policy.settings import Settings

SETTINGS = Settings

_FACTS = (  # what the votes depend on: passwords, their uses and tokens don't matter
    "account-opened",
    "account-closed",
    "language-chosen",
    "credential-added",
    "credential-removed",
    "sender-authorised",
    "sender-withdrawn",
    "rules-changed",
    "notice-written",
    "notice-withdrawn",
)
_LINKS = tuple(subjects.event("filelink", fact, "*") for fact in ("filelink-chosen", "filelink-withdrawn"))
_ALONE = Owners(login=lambda _: None, network=lambda _: None)
_ANY_HASH = "(a rehearsal hashes nothing)"
_WHO = "rehearsal"


class PolicyReplay(EachAlone):
    """Accounts are folded up to each vote's own sequence."""

    voter = VOTER
    settings = (*(subjects.event(NAME, fact, "*") for fact in _FACTS), *_LINKS)

    def __init__(self) -> None:
        self._accounts: SettingsHistory[Account] = SettingsHistory(apply, account_of)
        self._document = AccountDocument()
        self._links: Sequence[AnyEvent] = ()
        self._changed: dict[str, tuple[SettingsVersion[Account], Account | None]] = {}
        self._newest = 0

    def learn(self, sequence: int, event: AnyEvent) -> None:
        self._accounts.learn(sequence, event)
        self._newest = sequence

    def decide(self, case: ReplayCase, recorded: Vote) -> Vote | UnclearDecision:
        return decide(case.ballot, self._accounts.as_of(case.envelope.account, recorded.sequence))

    # what if

    async def assume(self, account: str, sections: Mapping[str, Any], assumed: Sequence[AnyEvent]) -> None:
        self._document = _document(account, sections)
        self._links = [event for event in assumed if isinstance(event, FilelinkChosen | FilelinkWithdrawn)]
        _planned(self._accounts.as_of(account, self._newest), account, self._document, datetime.now(UTC))

    async def plan(self, account: str, sections: Mapping[str, Any], at: datetime) -> list[SettingsLine]:
        made = _planned(self._accounts.as_of(account, self._newest), account, _document(account, sections), at)
        return [SettingsLine(change.line, change.event) for change in made]

    def judge(self, case: ReplayCase, *, others: bool) -> Vote | None:  # noqa: ARG002 - others' votes don't matter to it
        recorded = case.vote(VOTER)
        if case.early:
            ballot = _envelope_alone(case)
            return decide(ballot, self._as_if(case, case.sequence)) if ballot else None
        return decide(case.ballot, self._as_if(case, recorded.sequence if recorded else case.sequence))

    def _as_if(self, case: ReplayCase, sequence: int) -> Account | None:
        """The account as it was then, changed. The same version is changed once."""
        name = case.envelope.account
        version = self._accounts.version(name, sequence)
        known = self._changed.get(name)
        if known is None or known[0] is not version:
            made = _planned(version.state, name, self._document, case.envelope.received_at)
            events = [*(change.event for change in made), *self._links]
            known = self._changed[name] = (version, _folded(version.state, events))
        return known[1]


def _envelope_alone(case: ReplayCase) -> Ballot | None:
    """The ballot that stands for a mail that ingress refused by its envelope; None where the refusal was about more.

    Its body is unknown: it is judged as one that no rule about bodies objects to. One recipient more than were let
    in was refused; how many more there would have been is unknown.
    """
    envelope = case.envelope
    manifest = msgspec.structs.replace(case.manifest, authors=(envelope.sender,) if envelope.sender else ())
    match case.votes[0].reply:
        case Reply.SENDER_NOT_AUTHORISED:
            return Ballot(envelope=envelope, manifest=manifest)
        case Reply.TOO_MANY_RECIPIENTS:
            more = replace(envelope, recipients=(*envelope.recipients, "one more"))
            return Ballot(envelope=more, manifest=manifest)
        case Reply.TOO_BIG if envelope.size:
            return Ballot(envelope=envelope, manifest=manifest)
        case _:
            return None


def _document(account: str, sections: Mapping[str, Any]) -> AccountDocument:
    try:
        document = AccountDocument(**sections)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise RefusedSection(first["msg"], tuple(map(str, first["loc"]))) from None
    if document.account not in (None, account):
        raise RefusedSection(f"the file describes {document.account}, not {account}")
    return document


def _planned(account: Account | None, name: str, document: AccountDocument, at: datetime) -> list[Change]:
    """The owner's own way from a document to events; passwords aside, which no vote depends on."""
    said = Said(name, at, _WHO)
    try:
        wanted = request_parsing.without_users(document, account, "a rehearsal")
        if document.users is not None:
            held = account.credentials if account else {}
            logins = [normalization.normal_login(user.login) for user in document.users]
            wanted = replace(
                wanted, users={one: DesiredUser(None, None if one in held else _ANY_HASH) for one in logins}
            )
        return plan(account, wanted, said, _ALONE)
    except RequestValidationError as error:
        first = error.errors()[0]
        raise RefusedSection(first["msg"], tuple(map(str, first["loc"][1:]))) from None
    except RefusedCommand as error:
        raise RefusedSection(str(error)) from None


def _folded(account: Account | None, events: Iterable[Event]) -> Account | None:
    for event in events:
        account = apply(account, cast(AnyEvent, event))
    return account


def _show(account: Account) -> Sections:
    """As an account file has it, parted into what can be changed by itself."""
    return {
        "account": {"language": account.language, "hosts": account.hosts, "opened": account.opened_at},
        "users": {login: {"name": held.name} for login, held in account.credentials.items()},
        "senders": account.senders,
        "networks": {name: {"normalise": held.normalise} for name, held in account.networks.items()},
        "rules": rules_out(account.rules).model_dump(mode="json"),
        "notices": {
            f"{kind} ({language})": text for kind, texts in account.notices.items() for language, text in texts.items()
        },
        "tokens": {held.id: held.name for held in account.tokens.values()},
    }


def voter(_: Settings) -> PolicyReplay:
    """For verify and what-if."""
    return PolicyReplay()


def shown(_: Settings) -> FoldedSettings[Account]:
    """For state as of."""
    facts = (
        *_FACTS,
        "credential-renamed",
        "hosts-named",
        "network-trusted",
        "network-withdrawn",
        "token-issued",
        "token-revoked",
    )
    filters = tuple(subjects.event(NAME, fact, "*") for fact in facts)
    return FoldedSettings(*filters, apply=apply, show=_show, key=account_of)
