"""What banguard knows of each account, folded from events of policy and ratelimit. Pure."""

import msgspec
from msgspec.structs import replace

from varco_common.events import (
    AccountClosed,
    AccountOpened,
    AnyEvent,
    AtSharedHosts,
    Language,
    LanguageChosen,
    QuotaSet,
    RulesChanged,
)
from varco_common.eventsourcing.projection_spec import ProjectionSpec


class AccountChoices(msgspec.Struct, frozen=True, kw_only=True):
    """The language and the time zone (an IANA name) of answers, and a rule of the account."""

    language: Language = Language.EN
    time_zone: str = "UTC"
    at_shared_hosts: AtSharedHosts = AtSharedHosts.STOP


def apply(choices: AccountChoices | None, event: AnyEvent) -> AccountChoices | None:
    """The state after the event; None once the account is closed."""
    choices = choices or AccountChoices()
    match event:
        case AccountOpened(language=language) | LanguageChosen(language=language):
            return replace(choices, language=language)
        case RulesChanged(rules=rules):
            return replace(choices, at_shared_hosts=rules.unauthorised_senders)
        case QuotaSet(quotas=quotas):
            return replace(choices, time_zone=quotas.time_zone)
        case AccountClosed():
            return None
        case _:
            return choices


ACCOUNT_FILTERS = tuple(
    kind.subject_filter() for kind in (AccountOpened, AccountClosed, LanguageChosen, RulesChanged, QuotaSet)
)
ACCOUNTS = ProjectionSpec("accounts", ACCOUNT_FILTERS, apply, AccountChoices)
