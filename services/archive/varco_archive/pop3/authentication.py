"""Logging in: inside TLS alone, and every failure is a fact that banguard can count (RFC 1939 7, RFC 5034)."""

import asyncio
from base64 import b64decode
from binascii import Error
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from varco_archive import metrics
from varco_archive.maildrop_locks import MaildropInUse
from varco_archive.pop3 import replies
from varco_archive.pop3.maildrop import open_maildrop
from varco_common.base.errors import TransientError
from varco_common.events import AuthCause, AuthFailed

if TYPE_CHECKING:
    from varco_archive.pop3.session import Pop3Session

MAX_LOGIN = 256  # characters of what a stranger claims to be called


def insecure(session: "Pop3Session", name: str) -> None:
    _failed(session, AuthCause.INSECURE_CHANNEL, name)
    session.fail(replies.TLS_FIRST)


async def auth(session: "Pop3Session", argument: str) -> None:
    """AUTH PLAIN, with or without an initial response (RFC 5034 4)."""
    mechanism, _, initial = argument.partition(" ")
    if not session.wire.tls:
        return insecure(session, "")
    if mechanism.upper() != "PLAIN":
        return session.fail(replies.MECHANISM if mechanism else replies.SYNTAX)
    try:
        response = initial.encode() if initial else await session.ask()
    except (EOFError, ConnectionError, TimeoutError, asyncio.CancelledError):
        _failed(session, AuthCause.BROKEN_OFF, "")
        raise
    if response == b"*":
        return session.fail(replies.CANCELLED)
    words = _words(response)
    if len(words) != 3 or words[0] not in ("", words[1]) or not words[1]:  # RFC 4616 2; nobody acts for another
        return session.fail(replies.SYNTAX)
    return await log_in(session, words[1], words[2])


async def log_in(session: "Pop3Session", name: str, password: str) -> None:
    """Verifies, takes the mailbox for this session alone, and opens it. Raises TransientError."""
    server = session.server
    state = server.by_login(name)
    if not await server.guard.turn(name, session.host):
        metrics.LOGINS.labels("waited").inc()
        return session.fail(replies.GUARDED)
    if not await server.passwords.verify(state.hash if state else "", password):
        _failed(session, AuthCause.WRONG_CREDENTIALS, name, state.account if state else "")
        return session.fail(replies.WRONG)
    assert state
    server.guard.welcome(name, session.host)
    try:
        async with server.drops.turn(state.account):
            server.drops.enter(state.account, session)
            try:
                await server.sweeper.swept(state.account)
                session.mailbox = await open_maildrop(server.index, state.account)
            except BaseException:
                server.drops.leave(state.account, session)
                raise
    except MaildropInUse:
        metrics.LOGINS.labels("in-use").inc()
        return session.answer(replies.IN_USE)
    except TransientError:
        metrics.LOGINS.labels("unavailable").inc()
        raise
    metrics.LOGINS.labels("ok").inc()
    return session.answer(f"+OK {session.mailbox.count} messages ({session.mailbox.octets} octets)")


def _failed(session: "Pop3Session", cause: AuthCause, name: str, account: str = "") -> None:
    metrics.LOGINS.labels(cause.value).inc()
    session.server.append_in_background(
        AuthFailed(
            at=datetime.now(UTC),
            host=session.host,
            login=name[:MAX_LOGIN],
            cause=cause,
            account=account,
            listener=session.listener,
            service="archive",
        )
    )


def _words(response: bytes) -> list[str]:
    """`authorise-as NUL login NUL password`; nothing where it isn't that."""
    try:
        return b64decode(b"" if response == b"=" else response, validate=True).decode().split("\0")
    except (Error, UnicodeDecodeError):
        return []
