"""What a client can say, a function for each verb, and in which state (RFC 1939, 2449, 2595, 5034)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import NamedTuple

from varco_archive import metrics
from varco_archive.copy_index import MaildropEntry
from varco_archive.pop3 import authentication, replies
from varco_archive.pop3.multiline import ended, top
from varco_archive.pop3.session import Pop3Session
from varco_common.base.errors import PoisonError, TransientError
from varco_common.events import RemovalCause

AT_ONCE = 200  # lines of a list in one write

Cut = Callable[[AsyncIterator[bytes]], AsyncIterator[bytes]]


class Pop3Command(NamedTuple):
    """`states` has False for before the login, True for after it."""

    do: Callable[[Pop3Session, str], Awaitable[None]]
    states: frozenset[bool]


async def capa(session: Pop3Session, _: str) -> None:
    """RFC 2449 5. What the session can do now: logging in is offered inside TLS alone."""
    lines = ["TOP", "UIDL", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE"]
    if session.wire.tls:
        lines += ["USER", "SASL PLAIN"]
    else:
        lines.append("STLS")
    if session.mailbox:
        state = session.server.state(session.mailbox.account)
        lines.append(f"EXPIRE {max(1, (state.keep_seconds if state else 0) // 86_400)}")
    lines.append("IMPLEMENTATION Varco")
    _list(session, "+OK", lines)


async def stls(session: Pop3Session, _: str) -> None:
    """RFC 2595 4: all that was said before is forgotten."""
    if session.wire.tls:
        return session.fail(replies.TLS_ALREADY)
    session.answer(replies.STLS)
    seconds = session.server.settings.handshake_timeout.total_seconds()
    if not await session.wire.start_tls(session.server.certificates.context, seconds):
        raise EOFError
    session.login = ""
    return None


async def user(session: Pop3Session, argument: str) -> None:
    name = argument.strip()
    if not session.wire.tls:
        return authentication.insecure(session, name)
    if not name:
        return session.fail(replies.SYNTAX)
    session.login = name
    return session.answer(replies.GO_ON)  # whoever it is: RFC 1939 13


async def pass_(session: Pop3Session, password: str) -> None:
    if not session.wire.tls:
        return authentication.insecure(session, session.login)
    if not session.login:
        return session.fail(replies.NOT_NOW)
    name, session.login = session.login, ""
    return await authentication.log_in(session, name, password)


async def auth(session: Pop3Session, argument: str) -> None:
    await authentication.auth(session, argument.strip())


async def stat(session: Pop3Session, _: str) -> None:
    box = session.mailbox
    assert box
    session.answer(f"+OK {box.count} {box.octets}")


async def list_(session: Pop3Session, argument: str) -> None:
    await _scan(session, argument.strip(), lambda entry: str(entry.size))


async def uidl(session: Pop3Session, argument: str) -> None:
    """The mail's id: it stays for ever, even where the index is made anew (RFC 1939 7)."""
    await _scan(session, argument.strip(), lambda entry: entry.mail)


async def retr(session: Pop3Session, argument: str) -> None:
    entry = await _entry(session, argument)
    if entry and await _send(session, entry, f"+OK {entry.size} octets", ended):
        metrics.FETCHED.inc()
        metrics.OCTETS.inc(entry.size)


async def top_(session: Pop3Session, argument: str) -> None:
    number, _, lines = argument.strip().partition(" ")
    if not lines.isascii() or not lines.isdigit() or len(lines) > 9:
        return session.fail(replies.SYNTAX)
    if entry := await _entry(session, number):
        await _send(session, entry, "+OK", lambda chunks: ended(top(chunks, int(lines))))
    return None


async def dele(session: Pop3Session, argument: str) -> None:
    if entry := await _entry(session, argument):
        assert session.mailbox
        session.mailbox.delete(int(argument), entry)
        session.answer(replies.DONE)


async def rset(session: Pop3Session, _: str) -> None:
    assert session.mailbox
    session.mailbox.reset()
    session.answer(replies.DONE)


async def noop(session: Pop3Session, _: str) -> None:
    session.answer(replies.DONE)


async def quit_(session: Pop3Session, _: str) -> None:
    """RFC 1939 6: here alone is anything removed."""
    session.over = True
    box = session.mailbox
    if not box:
        return session.answer(replies.BYE)
    try:
        async for mails in box.marked():
            await session.server.removals.remove(box.account, mails, RemovalCause.CLIENT, by=f"pop3:{session.host}")
    except TransientError:
        return session.answer(replies.NOT_REMOVED)
    finally:
        session.server.drops.leave(box.account, session)  # before the answer: the client may be back at once
    return session.answer(replies.BYE)


async def _scan(session: Pop3Session, argument: str, shown: Callable[[MaildropEntry], str]) -> None:
    box = session.mailbox
    assert box
    if argument:
        if entry := await _entry(session, argument):
            session.answer(f"+OK {int(argument)} {shown(entry)}")
        return
    session.answer(f"+OK {box.count} messages")
    lines: list[str] = []
    async for number, entry in box.entries():
        lines.append(f"{number} {shown(entry)}\r\n")
        if len(lines) == AT_ONCE:
            session.wire.say("".join(lines).encode())
            lines.clear()
            await session.wire.drain(session.idle_seconds)
    session.wire.say("".join(lines).encode() + b".\r\n")


async def _entry(session: Pop3Session, argument: str) -> MaildropEntry | None:
    """The copy of that number; where there is none the client has been told."""
    assert session.mailbox
    word = argument.strip()
    number = int(word) if word.isascii() and word.isdigit() and len(word) < 10 else 0
    entry = await session.mailbox.entry(number)
    if not entry:
        session.fail(replies.NO_SUCH)
    return entry


async def _send(session: Pop3Session, entry: MaildropEntry, first: str, cut: Cut) -> bool:
    """A mail as it comes. What fails behind the first line can't be told any more but by hanging up."""
    begun = False
    try:
        async with aclosing(session.server.bodies.read(entry.sequence)) as chunks:
            async for chunk in cut(chunks):
                session.wire.say(*([] if begun else [first.encode() + b"\r\n"]), chunk)
                begun = True
                await session.wire.drain(session.idle_seconds)
    except (PoisonError, TransientError) as error:
        if begun:
            raise EOFError from error
        session.answer(replies.GONE if isinstance(error, PoisonError) else replies.LATER)
        return False
    return True


def _list(session: Pop3Session, first: str, lines: list[str]) -> None:
    session.wire.say("\r\n".join([first, *lines, ".", ""]).encode())


_BEFORE, _AFTER, _BOTH = frozenset({False}), frozenset({True}), frozenset({False, True})
COMMANDS: dict[bytes, Pop3Command] = {
    b"CAPA": Pop3Command(capa, _BOTH),
    b"STLS": Pop3Command(stls, _BEFORE),
    b"USER": Pop3Command(user, _BEFORE),
    b"PASS": Pop3Command(pass_, _BEFORE),
    b"AUTH": Pop3Command(auth, _BEFORE),
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
