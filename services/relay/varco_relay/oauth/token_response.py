"""What a token endpoint answers (RFC 6749 5), whole or not: a token, or why there is none. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from varco_relay.oauth.errors import TokenRefused, TokenUnavailable

_TOKEN = re.compile(r"[\x20-\x7e]{1,12000}")  # RFC 6749 A.12; with more, AUTH would be too long a line
_UNKNOWN_LIFE = 600.0  # seconds, of a token that does not say how long it lives
_LONGEST_LIFE = 86_400.0
_MAX_WORDS = 400  # characters of the provider's own words
# RFC 6749 4.1.2.1, RFC 8628 3.5, and Microsoft's: they pass by themselves
_TEMPORARY = ("temporarily_unavailable", "server_error", "slow_down")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenResponse:
    """What came over HTTP. `headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def date(self) -> datetime | None:
        """The provider's time."""
        return _http_date(self.headers.get("date", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantedToken:
    """An access token, the seconds for which it is good, and the next refresh token if one came."""

    access_token: str = field(repr=False)
    seconds: float
    refresh_token: str = field(default="", repr=False)


def read_token(response: TokenResponse, now: datetime) -> GrantedToken:
    """The token in an answer. Raises TokenRefused and TokenUnavailable."""
    if response.status == 429 or response.status >= 500:
        raise TokenUnavailable(_words_of(response), _retry_after(response, now))
    document = _document(response)
    if document is None:
        if 400 <= response.status < 500:
            raise TokenRefused(f"HTTP {response.status}", _words_of(response))
        raise TokenUnavailable(f"the token endpoint's answer (HTTP {response.status}) is no JSON, or was cut off")
    if "error" in document:
        code, description = _printable(document["error"]), _printable(document.get("error_description") or "")
        if code in _TEMPORARY:
            raise TokenUnavailable(f"{code}: {description}", _retry_after(response, now))
        raise TokenRefused(code, description)
    return _granted(document)


def _granted(document: dict[str, Any]) -> GrantedToken:
    token = document.get("access_token")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise TokenUnavailable("the token endpoint answers without an access_token")
    kind = str(document.get("token_type", "Bearer"))
    if kind.lower() != "bearer":  # RFC 6749 7.1: a client must not use a type that it does not know
        raise TokenRefused("token_type", f"the provider gives tokens of type {_printable(kind)}, not Bearer")
    refresh = document.get("refresh_token")
    return GrantedToken(
        access_token=token,
        seconds=_seconds(document.get("expires_in")),
        refresh_token=refresh if isinstance(refresh, str) else "",
    )


def _seconds(value: object) -> float:
    """Some providers write the number as text."""
    try:
        return min(max(float(str(value)), 0.0), _LONGEST_LIFE)
    except ValueError:
        return _UNKNOWN_LIFE


def _document(response: TokenResponse) -> dict[str, Any] | None:
    try:
        document = json.loads(response.body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _words_of(response: TokenResponse) -> str:
    """The answer in words: the provider's if it is JSON of RFC 6749, else its status."""
    document = _document(response) or {}
    words = _printable(document.get("error_description") or document.get("error") or "")
    status = f"the token endpoint answers HTTP {response.status}"
    return f"{status}: {words}" if words else status


def _printable(value: object) -> str:
    """One line of bounded length: Microsoft adds trace ids and line ends."""
    words = " ".join(str(value).split())
    return "".join(c if c.isprintable() else "?" for c in words)[:_MAX_WORDS]


def _retry_after(response: TokenResponse, now: datetime) -> float:
    """Seconds or a date (RFC 9110 10.2.3)."""
    value = response.headers.get("retry-after", "").strip()
    if value.isdecimal():
        return min(float(value), _LONGEST_LIFE)
    if moment := _http_date(value):
        return min(max((moment - (response.date or now)).total_seconds(), 0.0), _LONGEST_LIFE)
    return 0.0


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
