"""SMTP's verbs, each a function of its name: what a session does with a command, and what the client hears."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from varco_common.base import log
from varco_ingress_smtp.smtp import answers, path_parser
from varco_ingress_smtp.smtp.auth_verb import auth
from varco_ingress_smtp.smtp.body_reader import BodyOutOfSync, EndlessBody
from varco_ingress_smtp.smtp.limits import MinimumDataRate
from varco_ingress_smtp.transaction import Transaction

if TYPE_CHECKING:
    from varco_ingress_smtp.smtp.session import SmtpSession

_log = log.get(__name__)
Verb = Callable[["SmtpSession", str], Awaitable[None]]


async def ehlo(session: "SmtpSession", name: str) -> None:
    if not _is_name(name):
        return await session.fail(answers.HELO_SYNTAX)
    info = session.info
    info.helo, info.extended, session.mail = name, True, None
    return await session.push(session.admission.ehlo(info))


async def helo(session: "SmtpSession", name: str) -> None:
    if not _is_name(name):
        return await session.fail(answers.HELO_SYNTAX)
    info = session.info
    info.helo, info.extended, session.mail = name, False, None
    return await session.push(f"250 {session.admission.settings.hostname}")


async def starttls(session: "SmtpSession", argument: str) -> None:
    if argument:
        return await session.fail(answers.NO_ARGUMENT)
    if session.info.tls:
        return await session.fail(answers.TLS_ALREADY)
    if session.reader.buffer:  # RFC 3207 6: what was said in the clear must not count inside
        return session.hang_up()
    await session.push(answers.START_TLS)
    return await session.start_tls()


async def mail(session: "SmtpSession", argument: str) -> None:
    info = session.info
    if not info.helo:
        return await session.fail(answers.HELO_FIRST)
    if session.mail:
        return await session.fail(answers.NESTED_MAIL)
    path = path_parser.parse_mail(argument)
    if isinstance(path, path_parser.MalformedPath):
        return await session.fail(answers.BAD_SENDER if path.address else answers.MAIL_SYNTAX)
    if path.parameters and not info.extended:
        return await session.fail(answers.UNKNOWN_PARAMETER)
    begun = await session.admission.pipeline.mail(info, path)
    if isinstance(begun, str):
        return await session.refuse(begun)
    session.mail = begun
    return await session.push(answers.SENDER_OK)


async def rcpt(session: "SmtpSession", argument: str) -> None:
    if not session.mail:
        return await session.fail(answers.MAIL_FIRST)
    path = path_parser.parse_rcpt(argument)
    if isinstance(path, path_parser.MalformedPath):
        return await session.fail(answers.BAD_RECIPIENT if path.address else answers.RCPT_SYNTAX)
    return await session.refuse(await session.admission.pipeline.rcpt(session.info, session.mail, path))


async def data(session: "SmtpSession", argument: str) -> None:
    if argument:
        return await session.fail(answers.NO_ARGUMENT)
    under_way = session.mail
    if not under_way:
        return await session.fail(answers.MAIL_FIRST)
    if not under_way.recipients:
        return await session.fail(answers.RCPT_FIRST)
    if (
        session.reader.buffer
    ):  # RFC 2920 3.1: nothing follows DATA before 354; it could be read as a mail or as commands
        return session.send_last(answers.EARLY_DATA)
    await session.push(answers.START_DATA)
    return await _body(session, under_way)


async def _body(session: "SmtpSession", under_way: Transaction) -> None:
    session.too_late = answers.TOO_SLOW
    try:
        answer = await session.admission.pipeline.data(session.info, under_way, session.reader, _pace(session))
    except EndlessBody:
        return session.send_last(answers.NEVER_ENDING)
    except BodyOutOfSync:
        _log.exception("internal error", mail=under_way.id)
        return session.send_last(answers.BROKEN_OFF)
    finally:
        session.mail, session.too_late = None, answers.TIMEOUT
    session.info.mails += 1
    return await session.push(answer)


def _pace(session: "SmtpSession") -> MinimumDataRate:
    settings = session.admission.settings
    idle = settings.command_timeout.total_seconds()
    return MinimumDataRate(session.deadline, settings.data_grace.total_seconds(), settings.data_rate, idle)


async def rset(session: "SmtpSession", argument: str) -> None:
    if argument:
        return await session.fail(answers.NO_ARGUMENT)
    session.mail = None
    return await session.push(answers.OK)


async def noop(session: "SmtpSession", _: str) -> None:
    await session.push(answers.OK)


async def vrfy(session: "SmtpSession", argument: str) -> None:
    await (session.push(answers.VRFY) if argument else session.fail(answers.VRFY_SYNTAX))


async def expn(session: "SmtpSession", _: str) -> None:
    await session.fail(answers.NOT_IMPLEMENTED)


async def help_(session: "SmtpSession", _: str) -> None:
    await session.push(answers.HELP)


async def proxy(session: "SmtpSession", _: str) -> None:
    """Whoever may speak it has done so before the session began."""
    session.send_last(answers.PROXY_REFUSED)


async def quit_(session: "SmtpSession", argument: str) -> None:
    if argument:
        return await session.fail(answers.NO_ARGUMENT)
    return session.send_last(answers.BYE)


def _is_name(name: str) -> bool:
    """Any one word: many clients don't know their own name (RFC 5321 4.1.4 forbids to refuse them for it)."""
    return bool(name) and len(name) <= 255 and " " not in name and name.isprintable()


VERBS: dict[bytes, Verb] = {
    b"EHLO": ehlo,
    b"HELO": helo,
    b"STARTTLS": starttls,
    b"AUTH": auth,
    b"MAIL": mail,
    b"RCPT": rcpt,
    b"DATA": data,
    b"RSET": rset,
    b"NOOP": noop,
    b"VRFY": vrfy,
    b"EXPN": expn,
    b"HELP": help_,
    b"PROXY": proxy,
    b"QUIT": quit_,
}
