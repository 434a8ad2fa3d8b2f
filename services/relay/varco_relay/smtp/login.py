"""AUTH at a next hop (RFC 4954): by password, or by token (XOAUTH2, RFC 7628)."""

from base64 import b64decode, b64encode
from binascii import Error as NotBase64

from varco_common.events import OAuthMechanism, TlsUse
from varco_relay.smtp.client import SmtpClient
from varco_relay.smtp.smtp_reply import SmtpReply
from varco_relay.smtp.target import SmtpTarget

# RFC 4954 6, RFC 5321 4.2.2: the next hop does not take this mechanism, whatever the password is
_MECHANISM_REFUSED = (500, 501, 502, 503, 504, 534)
MAX_COMMAND = 512  # bytes of a command line (RFC 5321 4.5.3.1.4)


class LoginFailed(Exception):
    """The next hop takes no mail from this login; the text says why."""


class TokenRejected(LoginFailed):
    """The next hop does not take the token: another one may be taken."""


def check_login(client: SmtpClient, target: SmtpTarget) -> None:
    """Before a secret leaves: whether it may, and whether there is a way. Raises LoginFailed.

    A secret travels in clear only if the route says `tls: none`.
    """
    what = "token" if target.oauth else "password"
    if not client.tls and target.tls is not TlsUse.NONE:
        raise LoginFailed(f"the next hop offers no TLS that works, and without it the {what} isn't sent")
    offered = client.capabilities.auth
    if target.oauth and target.oauth.mechanism not in offered:
        others = f"only {', '.join(offered)}" if offered else "no login at all"
        raise LoginFailed(f"the route uses AUTH {target.oauth.mechanism}, and the next hop offers {others}")
    if not target.oauth and not {"PLAIN", "LOGIN"} & {*offered}:
        hint = ": use oauth" if {*OAuthMechanism} & {*offered} else ""
        raise LoginFailed(f"the route has a login, and the next hop offers neither AUTH PLAIN nor LOGIN{hint}")


async def login_with_password(client: SmtpClient, target: SmtpTarget) -> None:
    """AUTH PLAIN (RFC 4616), else LOGIN, also where PLAIN is offered and then not taken.

    A password that the next hop refuses is not sent again. Raises LoginFailed.
    """
    reply: SmtpReply | None = None
    for mechanism, attempt in (("PLAIN", _plain), ("LOGIN", _in_two_steps)):
        if mechanism in client.capabilities.auth and (reply is None or reply.code in _MECHANISM_REFUSED):
            reply = await attempt(client, target)
    assert reply  # by `check_login`
    if reply.code != 235:  # RFC 4954 6
        raise LoginFailed(f"the next hop refuses the login {target.login}: {_readable(reply)}{password_hint(reply)}")


async def login_with_token(client: SmtpClient, target: SmtpTarget, token: str) -> None:
    """Raises TokenRejected, or LoginFailed where another token would not help either."""
    assert target.oauth
    response = _oauthbearer(target, token) if target.oauth.mechanism is OAuthMechanism.OAUTHBEARER else None
    initial = response or f"user={target.login}\x01auth=Bearer {token}\x01\x01"
    reply = await _respond(client, f"AUTH {target.oauth.mechanism}", initial)
    explained = ""
    if reply.code == 334:  # the error as JSON. The client must answer it; then comes the refusal itself
        explained = f" ({_readable(reply).removeprefix('334 ')})" if reply.text else ""
        reply = await client.command(b"AQ==\r\n" if response else b"\r\n")  # RFC 7628 3.2.3: Ctrl-A
    if reply.code == 235:
        return
    why = f"the next hop refuses the login {target.login} with a token: {reply.line}{explained}"
    if reply.code < 500 or reply.code in _MECHANISM_REFUSED:
        raise LoginFailed(why)
    raise TokenRejected(why)


async def _respond(client: SmtpClient, auth: str, initial: str) -> SmtpReply:
    """The initial response goes with the command where both fit into a line (RFC 4954 4)."""
    response = b64encode(initial.encode())
    line = auth.encode() + b" " + response + b"\r\n"
    if len(line) <= MAX_COMMAND:
        return await client.command(line)
    reply = await client.command(auth.encode() + b"\r\n")
    return await client.command(response + b"\r\n") if reply.code == 334 else reply


def password_hint(reply: SmtpReply) -> str:
    """What to do where a provider takes no passwords any more, as Microsoft since 2026."""
    switched_off = reply.status in ("5.7.139", "5.7.30") or "basic authentication is" in reply.text.lower()
    return ". The provider takes no password here any more: use oauth (docs/microsoft-365.md)" if switched_off else ""


def _oauthbearer(target: SmtpTarget, token: str) -> str:
    """RFC 7628 3.1: the login is the authorisation identity, escaped by RFC 5801 4."""
    name = target.login.replace("=", "=3D").replace(",", "=2C")
    return f"n,a={name},\x01host={target.host}\x01port={target.port}\x01auth=Bearer {token}\x01\x01"


async def _plain(client: SmtpClient, target: SmtpTarget) -> SmtpReply:
    secret = b64encode(f"\0{target.login}\0{target.password}".encode())
    return await client.command(b"AUTH PLAIN " + secret + b"\r\n")


async def _in_two_steps(client: SmtpClient, target: SmtpTarget) -> SmtpReply:
    """AUTH LOGIN: the server asks for the login, then for the password."""
    reply = await client.command(b"AUTH LOGIN\r\n")
    for word in (target.login, target.password):
        if reply.code == 334:
            reply = await client.command(b64encode(word.encode()) + b"\r\n")
    return reply


def _readable(reply: SmtpReply) -> str:
    if reply.code != 334:
        return reply.line
    try:
        return f"334 {b64decode(reply.text).decode('utf-8', 'replace')}"
    except NotBase64:
        return reply.line
