"""Which logins are stopped at which hosts now, folded from banguard's events. Pure."""

from datetime import datetime
from typing import NamedTuple

from msgspec.structs import replace

from varco_common.events import Language, LoginResumed, LoginStopped
from varco_common.mail.account_texts import UTC, AccountTexts
from varco_common.mail.ballot import Vote
from varco_common.mail.envelope import Envelope
from varco_common.mail.replies import Reply
from varco_common.mail.stop_text import stop_text

STOPPED = (LoginStopped.subject_filter(), LoginResumed.subject_filter())
_Key = tuple[str, str, str]  # network, account, login


class ActiveStop(NamedTuple):
    """What the answer to a stopped login needs. `until` None: until somebody lifts it.

    `login` is in lower case; empty for what a network may send without one. `language` is that of
    an account whose texts are not known. `time_zone` holds where its texts name none.
    """

    login: str
    until: datetime | None
    strikes: int
    language: Language
    time_zone: str


class StopTable:
    """The stops in force.

    A stop's end is part of it, so that nobody stays stopped where banguard is away.
    """

    def __init__(self) -> None:
        self._stops: dict[_Key, ActiveStop] = {}

    def __len__(self) -> int:
        return len(self._stops)

    def apply(self, fact: object) -> None:
        """Folds one event in."""
        match fact:
            case LoginStopped():
                stop = ActiveStop(fact.login, fact.until, len(fact.strikes), fact.language, fact.time_zone)
                self.add(fact.network, fact.account, stop)
            case LoginResumed():
                self._stops.pop((fact.network, fact.account, fact.login), None)
            case _:
                pass

    def add(self, network: str, account: str, stop: ActiveStop) -> None:
        """`network` is what would be banned: an address, or an IPv6 /64."""
        self._stops[network, account, stop.login] = stop

    def objection(
        self, network: str, envelope: Envelope, voter: str, now: datetime, texts: AccountTexts | None
    ) -> Vote | None:
        """The vote of `voter` against a mail of a stopped login, or of a stopped grant.

        `network` is what a ban of the mail's host would cover. `texts` are the account's.
        """
        stop = self._stops.get((network, envelope.account, normal_login(envelope.login)))
        if stop is None or (stop.until is not None and stop.until <= now):
            return None
        until = f"until {stop.until:%Y-%m-%dT%H:%M:%SZ}" if stop.until else "until it is lifted"
        reason = f"{stop.login or 'sending without a login'} is stopped at {network} {until}"
        texts = texts or AccountTexts(languages=(stop.language,))
        if texts.time_zone == UTC:
            texts = replace(texts, time_zone=stop.time_zone)
        text = stop_text(stop.login, stop.until, stop.strikes, texts, now=now, smtputf8=envelope.smtputf8)
        return Vote(voter=voter, reply=Reply.LOGIN_STOPPED, reason=reason, text=text)


def normal_login(login: str) -> str:
    return login.strip().lower()
