"""Logins, allowed inside TLS only. Every failed one becomes an event that banguard counts.

RFC 1939 7 (USER, PASS) and RFC 5034 (AUTH).
"""

import asyncio
from base64 import b64decode
from binascii import Error
from datetime import UTC, datetime

from varco_archive import metrics
from varco_archive.maildrop_locks import MaildropInUse
from varco_archive.pop3 import replies
from varco_archive.pop3.maildrop import Maildrop, open_maildrop
from varco_archive.pop3.session import Pop3Session
from varco_common.base.client_text import decode_client_text
from varco_common.base.errors import TransientError
from varco_common.events import AuthCause, AuthFailed

MAX_LOGIN = 256  # characters of the claimed login that go into an event


def reject_insecure(session: Pop3Session, login: str) -> None:
    """Answers a login outside TLS."""
    _report_failure(session, AuthCause.INSECURE_CHANNEL, login)
    session.reject(replies.TLS_FIRST)


async def auth(session: Pop3Session, argument: str) -> None:
    """AUTH PLAIN, with or without an initial response (RFC 5034 4)."""
    mechanism, _, initial = argument.strip().partition(" ")
    if not session.connection.tls:
        return reject_insecure(session, "")
    if mechanism.upper() != "PLAIN":
        return session.reject(replies.MECHANISM if mechanism else replies.SYNTAX)
    try:
        response = initial.encode() if initial else await session.challenge()
    except (EOFError, ConnectionError, TimeoutError, asyncio.CancelledError):
        _report_failure(session, AuthCause.BROKEN_OFF, "")
        raise
    if response == b"*":
        return session.reject(replies.CANCELLED)
    words = _plain_response(response)
    # RFC 4616 2; acting for another login is not supported
    if len(words) != 3 or words[0] not in ("", words[1]) or not words[1]:
        return session.reject(replies.SYNTAX)
    return await log_in(session, words[1], words[2])


async def log_in(session: Pop3Session, login: str, password: str) -> None:
    """Verifies the password, locks the mailbox for this session and opens it.

    Raises TransientError.
    """
    context = session.context
    settings = context.mailboxes.accounts.by_login(login)
    if not await context.throttle.wait_for_turn(login, session.host):
        metrics.LOGINS.labels("waited").inc()
        return session.reject(replies.GUARDED)
    # an unknown login is verified too: the answer takes as long as for a wrong password
    if not await context.mailboxes.passwords.verify(settings.hash if settings else "", password):
        if session.guesses.is_new(guess := context.guesses.of(login, password)):
            account = settings.account if settings else ""
            _report_failure(session, AuthCause.WRONG_CREDENTIALS, login, account, guess=guess)
        else:
            metrics.LOGINS.labels("repeated").inc()
        return session.reject(replies.WRONG)
    assert settings
    context.throttle.remember(login, session.host)
    try:
        maildrop = await _open(session, settings.account)
    except MaildropInUse:
        metrics.LOGINS.labels("in-use").inc()
        return session.reply(replies.IN_USE)
    except TransientError:
        metrics.LOGINS.labels("unavailable").inc()
        raise
    metrics.LOGINS.labels("ok").inc()
    return session.reply(f"+OK {maildrop.count} messages ({maildrop.octets} octets)")


async def _open(session: Pop3Session, account: str) -> Maildrop:
    """Expired copies are removed first, so that the client never sees them."""
    mailboxes = session.context.mailboxes
    async with mailboxes.locks.exclusive(account):
        mailboxes.locks.acquire(account, session)
        try:
            await mailboxes.sweeper.remove_expired(account)
            session.maildrop = await open_maildrop(mailboxes.index, account)
        except BaseException:
            mailboxes.locks.release(account, session)
            raise
    return session.maildrop


def _report_failure(session: Pop3Session, cause: AuthCause, login: str, account: str = "", *, guess: str = "") -> None:
    metrics.LOGINS.labels(cause.value).inc()
    session.context.report(
        AuthFailed(
            at=datetime.now(UTC),
            host=session.host,
            login=login[:MAX_LOGIN],
            cause=cause,
            account=account,
            guess=guess,
            listener=session.listener,
            service="archive",
            server_name=session.context.certificates.server_name(session.connection.ssl_object),
        )
    )


def _plain_response(response: bytes) -> list[str]:
    """Splits `authorise-as NUL login NUL password`; empty if it is not base64."""
    try:
        raw = b64decode(b"" if response == b"=" else response, validate=True)
    except Error:
        return []
    return decode_client_text(raw).split("\0")
