"""A function for each POP3 command, and its allowed states (RFC 1939, 2449, 2595, 5034)."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

from varco_archive import metrics
from varco_archive.copy_index import MaildropEntry
from varco_archive.pop3 import authentication, replies
from varco_archive.pop3.maildrop import Maildrop
from varco_archive.pop3.multiline import terminated, top
from varco_archive.pop3.session import HANDSHAKE_SECONDS, Pop3Command, Pop3Session
from varco_common.base.errors import PoisonError, TransientError
from varco_common.events import RemovalCause

LINES_PER_WRITE = 200  # of LIST and UIDL, so that a large mailbox is not listed in memory


def _maildrop(session: Pop3Session) -> Maildrop:
    """The open mailbox: commands of the transaction state only run with one."""
    assert session.maildrop
    return session.maildrop


async def capa(session: Pop3Session, _: str) -> None:
    """RFC 2449 5. Logins are offered inside TLS only."""
    lines = ["TOP", "UIDL", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE"]
    if session.connection.tls:
        lines += ["USER", "SASL PLAIN"]
    else:
        lines.append("STLS")
    if session.maildrop:
        settings = session.context.mailboxes.accounts.get(session.maildrop.account)
        lines.append(f"EXPIRE {max(1, (settings.keep_seconds if settings else 0) // 86_400)}")
    lines.append("IMPLEMENTATION Varco")
    session.connection.write("\r\n".join(["+OK", *lines, ".", ""]).encode())


async def stls(session: Pop3Session, _: str) -> None:
    """RFC 2595 4: the session forgets everything that was sent before."""
    if session.connection.tls:
        return session.reject(replies.TLS_ALREADY)
    session.reply(replies.STLS)
    if not await session.connection.start_tls(session.context.certificates.context, HANDSHAKE_SECONDS):
        raise EOFError
    session.login = ""
    return None


async def user(session: Pop3Session, argument: str) -> None:
    login = argument.strip()
    if not session.connection.tls:
        return authentication.reject_insecure(session, login)
    if not login:
        return session.reject(replies.SYNTAX)
    session.login = login
    return session.reply(replies.GO_ON)  # for unknown logins too: RFC 1939 13


async def pass_(session: Pop3Session, password: str) -> None:
    if not session.connection.tls:
        return authentication.reject_insecure(session, session.login)
    if not session.login:
        return session.reject(replies.WRONG_STATE)
    login, session.login = session.login, ""
    return await authentication.log_in(session, login, password)


async def stat(session: Pop3Session, _: str) -> None:
    maildrop = _maildrop(session)
    session.reply(f"+OK {maildrop.count} {maildrop.octets}")


async def list_(session: Pop3Session, argument: str) -> None:
    await _listing(session, argument.strip(), lambda entry: str(entry.size))


async def uidl(session: Pop3Session, argument: str) -> None:
    """The unique id is the mail's id: it survives a rebuild of the index (RFC 1939 7)."""
    await _listing(session, argument.strip(), lambda entry: entry.mail)


async def retr(session: Pop3Session, argument: str) -> None:
    entry = await _entry(session, argument)
    if not entry:
        return
    if not await _send(session, entry, f"+OK {entry.size} octets", terminated):
        _maildrop(session).failed += 1
        return
    _maildrop(session).fetched += 1
    metrics.FETCHED.inc()
    metrics.OCTETS.inc(entry.size)


async def top_(session: Pop3Session, argument: str) -> None:
    number, _, lines = argument.strip().partition(" ")
    if not lines.isascii() or not lines.isdigit() or len(lines) > 9:
        return session.reject(replies.SYNTAX)
    if entry := await _entry(session, number):
        await _send(session, entry, "+OK", lambda chunks: terminated(top(chunks, int(lines))))
    return None


async def dele(session: Pop3Session, argument: str) -> None:
    if entry := await _entry(session, argument):
        _maildrop(session).mark_deleted(int(argument), entry)
        session.reply(replies.DONE)


async def rset(session: Pop3Session, _: str) -> None:
    _maildrop(session).reset()
    session.reply(replies.DONE)


async def noop(session: Pop3Session, _: str) -> None:
    session.reply(replies.DONE)


async def quit_(session: Pop3Session, _: str) -> None:
    """Removes the copies that are marked as deleted; no other command removes any (RFC 1939 6)."""
    session.over = True
    maildrop, mailboxes = session.maildrop, session.context.mailboxes
    if not maildrop:
        return session.reply(replies.BYE)
    try:
        async for mails in maildrop.marked():
            await mailboxes.deletion.remove(maildrop.account, mails, RemovalCause.CLIENT, by=f"pop3:{session.host}")
    except TransientError:
        return session.reply(replies.NOT_REMOVED)
    finally:
        # before the reply: the client may log in again at once
        await session.leave_maildrop(collected=maildrop.is_collected)
    return session.reply(replies.BYE)


async def _listing(session: Pop3Session, argument: str, value: Callable[[MaildropEntry], str]) -> None:
    """LIST and UIDL: one copy, or all of them in a multi-line reply."""
    maildrop = _maildrop(session)
    if argument:
        if entry := await _entry(session, argument):
            session.reply(f"+OK {int(argument)} {value(entry)}")
        return
    session.reply(f"+OK {maildrop.count} messages")
    lines: list[str] = []
    async for number, entry in maildrop.entries():
        lines.append(f"{number} {value(entry)}\r\n")
        if len(lines) == LINES_PER_WRITE:
            session.connection.write("".join(lines).encode())
            lines.clear()
            await session.connection.drain(session.idle_seconds)
    session.connection.write("".join(lines).encode() + b".\r\n")
    maildrop.is_listed = True


async def _entry(session: Pop3Session, argument: str) -> MaildropEntry | None:
    """The copy with that number; None after an error reply when there is no such copy."""
    word = argument.strip()
    number = int(word) if word.isascii() and word.isdigit() and len(word) < 10 else 0
    entry = await _maildrop(session).entry(number)
    if not entry:
        session.reject(replies.NO_SUCH)
    return entry


async def _send(
    session: Pop3Session,
    entry: MaildropEntry,
    status: str,
    transform: Callable[[AsyncIterator[bytes]], AsyncIterator[bytes]],
) -> bool:
    """Streams a copy.

    A failure after the status line closes the connection: no error reply fits there.
    """
    begun = False
    try:
        async with aclosing(session.context.mailboxes.bodies.read(entry.sequence)) as chunks:
            async for chunk in transform(chunks):
                session.connection.write(*([] if begun else [status.encode() + b"\r\n"]), chunk)
                begun = True
                await session.connection.drain(session.idle_seconds)
    except (PoisonError, TransientError) as error:
        if begun:
            raise EOFError from error
        session.reply(replies.GONE if isinstance(error, PoisonError) else replies.LATER)
        return False
    return True


_BEFORE, _AFTER, _BOTH = frozenset({False}), frozenset({True}), frozenset({False, True})
COMMANDS: dict[bytes, Pop3Command] = {
    b"CAPA": Pop3Command(capa, _BOTH),
    b"STLS": Pop3Command(stls, _BEFORE),
    b"USER": Pop3Command(user, _BEFORE),
    b"PASS": Pop3Command(pass_, _BEFORE),
    b"AUTH": Pop3Command(authentication.auth, _BEFORE),
    b"QUIT": Pop3Command(quit_, _BOTH),
    b"STAT": Pop3Command(stat, _AFTER),
    b"LIST": Pop3Command(list_, _AFTER),
    b"UIDL": Pop3Command(uidl, _AFTER),
    b"RETR": Pop3Command(retr, _AFTER),
    b"TOP": Pop3Command(top_, _AFTER),
    b"DELE": Pop3Command(dele, _AFTER),
    b"RSET": Pop3Command(rset, _AFTER),
    b"NOOP": Pop3Command(noop, _AFTER),
}
