"""The state of an account: who may log in, and who may send what from where.

See account_projection.py for how events change it. Pure.
"""

from datetime import datetime

import msgspec
from msgspec.structs import replace

from varco_common.events import Language, Notice, Rules, TokenIssued, TokenRevoked, TokenUsed
from varco_common.mail.account_texts import UTC, AccountTexts
from varco_common.mail.sender_patterns import narrowest_pattern
from varco_policy.model.credential import Credential


class TrustedNetwork(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A CIDR network that may send without AUTH.

    `normalise`: what old devices send is corrected; addresses without a domain get `domain`.
    """

    network: str
    trusted_at: datetime
    normalise: bool = False
    domain: str = ""
    reason: str = ""


class AttachmentException(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the senders that `pattern` covers may attach besides; None for anything.

    `until` None: for good.
    """

    pattern: str
    attachments: tuple[str, ...] | None
    since: datetime
    until: datetime | None = None
    by: str = ""
    reason: str = ""

    def holds(self, at: datetime) -> bool:
        return self.until is None or at < self.until


class IssuedToken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A bearer token that was issued and not revoked. Its secret is never stored.

    `until` None: it has no end. `used_at` is its last use, to the hour; None: it was never used.
    """

    id: str
    name: str
    issued_at: datetime
    until: datetime | None = None
    used_at: datetime | None = None


def with_token(tokens: dict[str, IssuedToken], event: TokenIssued | TokenRevoked | TokenUsed) -> dict[str, IssuedToken]:
    """The tokens after the event."""
    match event:
        case TokenIssued(token=token):
            return {**tokens, token: IssuedToken(id=token, name=event.name, issued_at=event.at, until=event.until)}
        case TokenRevoked(token=token):
            return {key: issued for key, issued in tokens.items() if key != token}
        case TokenUsed(token=token):
            issued = tokens.get(token)
            return {**tokens, token: replace(issued, used_at=event.at)} if issued else tokens


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One account as of its last event.

    Keys: `credentials` by login, `exceptions` (of attachments) by pattern, `senders` by pattern
    (the value is since when), `networks` by CIDR, `notices` by notice and then language, `tokens`
    by id. `also` are the languages in which texts are repeated after the first one. Attachments of
    more than `links_over` bytes leave as links; 0 means that none does.
    """

    name: str
    language: Language
    opened_at: datetime
    also: tuple[Language, ...] = ()
    time_zone: str = UTC
    hosts: tuple[str, ...] = ()
    credentials: dict[str, Credential] = {}
    senders: dict[str, datetime] = {}
    networks: dict[str, TrustedNetwork] = {}
    rules: Rules = Rules()
    exceptions: dict[str, AttachmentException] = {}
    notices: dict[Notice, dict[Language, str]] = {}
    tokens: dict[str, IssuedToken] = {}
    links_over: int = 0

    def rules_of(self, sender: str, at: datetime) -> Rules:
        """The rules for mail of this sender: the account's, with the narrowest exception."""
        if not self.exceptions or not sender or self.rules.attachments is None:
            return self.rules
        pattern = narrowest_pattern(sender, {name for name, entry in self.exceptions.items() if entry.holds(at)})
        if pattern is None:
            return self.rules
        besides = self.exceptions[pattern].attachments
        return replace(self.rules, attachments=None if besides is None else (*self.rules.attachments, *besides))

    @property
    def languages(self) -> tuple[Language, ...]:
        return (self.language, *self.also)

    @property
    def texts(self) -> AccountTexts:
        """What its users read."""
        return AccountTexts(languages=self.languages, time_zone=self.time_zone, notices=self.notices)
