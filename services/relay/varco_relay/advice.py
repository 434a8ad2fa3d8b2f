"""What is missing at a provider, by its own words: for `varco routes check`. Pure.

The codes are those of Microsoft's identity platform (AADSTS...), of RFC 6749 5.2, and what Exchange
Online and Gmail answer to AUTH.
"""

import re
from typing import NamedTuple

from varco_common.events import OAuthProvider

MICROSOFT, GOOGLE = OAuthProvider.MICROSOFT, OAuthProvider.GOOGLE
_AUTHORISE = (
    "authorise the client id of the service account for the scope https://mail.google.com/: Admin console, Security, "
    "API controls, Domain-wide delegation"
)
_SEND_AS_APP = (
    "give the application the permission SMTP.SendAsApp (of type application) and admin consent, and in Exchange Online "
    "New-ServicePrincipal, then Add-MailboxPermission for the mailbox of the login"
)


class _Advice(NamedTuple):
    """Where the words match, and the provider is this one (None: any), the advice helps."""

    words: re.Pattern[str]
    provider: OAuthProvider | None
    advice: str


def _of(words: str, provider: OAuthProvider | None, advice: str) -> _Advice:
    return _Advice(re.compile(words, re.IGNORECASE), provider, advice)


_TOKEN = (
    _of("AADSTS7000215", None, "the secret is wrong: give the value of the client secret, not its id"),
    _of("AADSTS7000222", None, "the client secret has expired: make a new one and apply the account file again"),
    _of("AADSTS700016", None, "the tenant has no such application: check client_id and tenant"),
    _of("AADSTS9000[23]|AADSTS900023", None, "there is no such tenant: check tenant"),
    _of("AADSTS70011|AADSTS1002012", MICROSOFT, "leave scope out, or write https://outlook.office365.com/.default"),
    _of("AADSTS700027", None, "upload the certificate to the application: the provider does not know it"),
    _of("AADSTS53003", None, "a rule of Conditional Access blocks the application: exempt it, or this gate's address"),
    _of("AADSTS700024|reasonable timeframe", None, "this gate's clock is wrong: synchronise it"),
    _of("unauthorized_client", GOOGLE, _AUTHORISE),
    _of("invalid_scope", GOOGLE, "leave scope out, or write https://mail.google.com/"),
    _of("Invalid email|Invalid impersonation|Not a valid email", GOOGLE, "login must be a user of the domain"),
    _of(
        "Invalid JWT Signature|account not found", GOOGLE, "the key was deleted: make a new one for the service account"
    ),
    _of("disabled_client|deleted_client", GOOGLE, "the service account is disabled or deleted"),
    _of("invalid_client|AADSTS7000", None, "check client_id and client_secret_file"),
    _of("invalid_scope", None, "the provider does not know this scope, or not for this client: check scope"),
    _of("invalid_grant", None, "the refresh token has ended or was withdrawn: get a new one"),
    _of("HTTP 429|asked to wait", None, "the provider limits requests: mail goes on by itself after that time"),
    _of("private addresses only", None, "an operator must set this token_url"),
    _of("certificate verify failed", None, "the provider's certificate is not trusted: see VARCO_RELAY_CA_FILE"),
    _of("can't connect|does not answer", None, "let this gate reach the token endpoint (port 443)"),
)
_LOGIN = (
    _of(r"5\.7\.139.*SmtpClientAuthentication", None, "turn SMTP AUTH on for the mailbox: Set-CASMailbox"),
    _of(r"5\.7\.(139|30)\b|basic authentication is", None, "the provider takes no password here any more: use oauth"),
    _of(r"535 5\.7\.\d", MICROSOFT, _SEND_AS_APP),
    _of(r"535 5\.7\.8|BadCredentials", GOOGLE, f"login must be a user with Gmail; {_AUTHORISE}"),
    _of(r"535|5\.7\.8", None, "check login, and what its token or password is allowed to do at the provider"),
    _of("offers only|offers no login", None, "the next hop does not take this kind of login: check smarthost and port"),
    _of("neither AUTH PLAIN", None, "the next hop takes no passwords here: check the port, or use oauth"),
    _of("without it the", None, "write tls: required and a port with TLS, such as 587 or 465"),
)
_CONNECTION = (
    _of("Name or service not known|not known|getaddrinfo", None, "the name does not exist: check smarthost"),
    _of("refused", None, "nothing listens there: check the port"),
    _of("timed out", None, "a firewall may block the port: many networks block 25, so try 587"),
    _of("certificate", None, "the certificate does not fit the name, or is not trusted (VARCO_RELAY_CA_FILE)"),
    _of("STARTTLS", None, "the next hop has no TLS there: check the port"),
    _of("private addresses only", None, "an operator must set this route"),
)


def advice_on_token(words: str, provider: OAuthProvider | None) -> str:
    """Empty if nothing is known."""
    return _advice(_TOKEN, words, provider)


def advice_on_login(words: str, provider: OAuthProvider | None) -> str:
    return _advice(_LOGIN, words, provider)


def advice_on_connection(words: str) -> str:
    return _advice(_CONNECTION, words, None)


def missing_in_token(claims: dict[str, object], provider: OAuthProvider) -> str:
    """What a token of Microsoft lacks, by its claims; empty if these cannot be read."""
    roles = claims.get("roles", [])
    if provider is not MICROSOFT or not claims or (isinstance(roles, list) and "SMTP.SendAsApp" in roles):
        return ""
    return _SEND_AS_APP


def _advice(known: tuple[_Advice, ...], words: str, provider: OAuthProvider | None) -> str:
    return next(
        (entry.advice for entry in known if entry.provider in (None, provider) and entry.words.search(words)), ""
    )
