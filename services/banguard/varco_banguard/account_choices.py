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
    LanguagesChosen,
    QuotaSet,
    RulesChanged,
    TimeZoneChosen,
)
from varco_common.eventsourcing.projection_spec import ProjectionSpec
from varco_common.mail.account_texts import UTC


class AccountChoices(msgspec.Struct, frozen=True, kw_only=True):
    """The first language and the time zone (an IANA name) of answers, and a rule of the account.

    `quota_zone` is the one of its quotas, in which it reads times until it chooses its own.
    """

    language: Language = Language.EN
    quota_zone: str = msgspec.field(default=UTC, name="time_zone")  # its name in stored snapshots
    chosen_zone: str = UTC
    at_shared_hosts: AtSharedHosts = AtSharedHosts.STOP

    @property
    def time_zone(self) -> str:
        return self.quota_zone if self.chosen_zone == UTC else self.chosen_zone


def apply(choices: AccountChoices | None, event: AnyEvent) -> AccountChoices | None:  # noqa: PLR0911 - one case an event
    """The state after the event; None once the account is closed."""
    choices = choices or AccountChoices()
    match event:
        case AccountOpened(language=language) | LanguageChosen(language=language):
            return replace(choices, language=language)
        case LanguagesChosen(languages=(language, *_)):
            return replace(choices, language=language)
        case TimeZoneChosen():
            return replace(choices, chosen_zone=event.time_zone)
        case RulesChanged(rules=rules):
            return replace(choices, at_shared_hosts=rules.unauthorised_senders)
        case QuotaSet(quotas=quotas):
            return replace(choices, quota_zone=quotas.time_zone)
        case AccountClosed():
            return None
        case _:
            return choices


_EVENTS = (AccountOpened, AccountClosed, LanguageChosen, LanguagesChosen, TimeZoneChosen, RulesChanged, QuotaSet)
ACCOUNT_FILTERS = tuple(kind.subject_filter() for kind in _EVENTS)
ACCOUNTS = ProjectionSpec("accounts", ACCOUNT_FILTERS, apply, AccountChoices)
