"""What the users of each account read, folded from policy's events, for every service. Pure."""

from msgspec.structs import replace

from varco_common.events import (
    AccountClosed,
    AccountOpened,
    AnyEvent,
    Language,
    LanguageChosen,
    LanguagesChosen,
    Notice,
    NoticeWithdrawn,
    NoticeWritten,
    TimeZoneChosen,
)
from varco_common.eventsourcing.projection_spec import ProjectionSpec
from varco_common.mail.account_texts import AccountTexts

Notices = dict[Notice, dict[Language, str]]

_EVENTS = (
    AccountOpened,
    AccountClosed,
    LanguageChosen,
    LanguagesChosen,
    TimeZoneChosen,
    NoticeWritten,
    NoticeWithdrawn,
)
FILTERS = tuple(event.subject_filter() for event in _EVENTS)


def apply(texts: AccountTexts | None, event: AnyEvent) -> AccountTexts | None:  # noqa: PLR0911 - one case an event
    """The texts after the event. None before the account is opened; a closed one keeps them."""
    if isinstance(event, AccountOpened):
        return texts if texts and not texts.closed else AccountTexts(languages=(event.language,))
    if texts is None:
        return None
    match event:
        case AccountClosed():
            return replace(texts, closed=True)
        case LanguageChosen():
            return replace(texts, languages=(event.language,))
        case LanguagesChosen():
            return replace(texts, languages=event.languages)
        case TimeZoneChosen():
            return replace(texts, time_zone=event.time_zone)
        case NoticeWritten() | NoticeWithdrawn():
            return replace(texts, notices=changed_notices(texts.notices, event))
        case _:
            return texts


def changed_notices(notices: Notices, event: NoticeWritten | NoticeWithdrawn) -> Notices:
    """The account's own texts after the event."""
    texts = dict(notices.get(event.notice, {}))
    match event:
        case NoticeWritten():
            texts[event.language] = event.text
        case NoticeWithdrawn():
            texts.pop(event.language, None)
    others = {kind: own for kind, own in notices.items() if kind is not event.notice}
    return {**others, event.notice: texts} if texts else others


ACCOUNT_TEXTS = ProjectionSpec("account-texts", FILTERS, apply, AccountTexts)
