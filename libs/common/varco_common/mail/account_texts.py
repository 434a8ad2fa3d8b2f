"""What an account's users read: its languages, its time zone, its own texts. Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from varco_common.mail.notice_texts import TEXTS, Language, Notice
from varco_common.mail.notices import notice, with_facts

UTC = "UTC"
Facts = Mapping[str, object]
FactsIn = Callable[[Language], Facts]
"""The facts of a notice, where they have words of a language in them."""


class AccountTexts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`languages` are in the order in which texts follow one another, at least one.

    `time_zone` is an IANA name. `notices` has the account's own texts. Mails of a `closed` account
    may still wait for delivery.
    """

    languages: tuple[Language, ...] = (Language.EN,)
    time_zone: str = UTC
    notices: dict[Notice, dict[Language, str]] = {}
    closed: bool = False

    def own(self, kind: Notice, language: Language) -> str:
        """The account's own text; empty if it has none."""
        return self.notices.get(kind, {}).get(language, "")

    def template(self, kind: Notice, language: Language) -> str:
        """The account's own text, or Varco's, with curly brackets for the facts."""
        return self.own(kind, language) or TEXTS[kind][language]

    def reply(self, kind: Notice, facts: Facts | FactsIn, *, smtputf8: bool) -> str:
        """The text of a refusal in all languages, as `notices.notice` makes it."""
        facts_in = facts if callable(facts) else lambda _: facts
        texts = [
            notice(kind, language, facts_in(language), self.own(kind, language), smtputf8=smtputf8)
            for language in self.languages
        ]
        return "\n".join(texts)

    def text(self, kind: Notice, language: Language, facts: Facts) -> str:
        """The text of a notice in one language, for a mail: lines separated by LF."""
        return with_facts(self.template(kind, language), facts)

    def local(self, at: datetime) -> datetime:
        """The same moment in the account's time zone."""
        return at.astimezone(ZoneInfo(self.time_zone))

    def only(self, *kinds: Notice) -> "AccountTexts":
        """Without own texts of other kinds."""
        notices = {kind: texts for kind, texts in self.notices.items() if kind in kinds}
        return AccountTexts(languages=self.languages, time_zone=self.time_zone, notices=notices)
