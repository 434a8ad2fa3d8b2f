"""AUTH: inside TLS alone, asked of policy, and every failure a fact (RFC 4954)."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from varco_common.events import AuthCause, AuthFailed
from varco_common.mail.grants import Denied, LoginQuestion, Unavailable
from varco_common.mail.replies import Reply
from varco_ingress_smtp import answers, dialogue, metrics
from varco_ingress_smtp.who import Granted

if TYPE_CHECKING:
    from varco_ingress_smtp.session import Session

MAX_LOGIN = 256  # characters of what a stranger claims to be called


async def auth(session: "Session", argument: str) -> None:
    visitor = session.visitor
    mechanism, _, initial = argument.partition(" ")
    if not visitor.extended:
        return await session.fail(answers.HELO_FIRST)
    if visitor.login:
        return await session.fail(answers.LOGGED_IN_ALREADY)
    if session.mail:
        return await session.fail(answers.AUTH_IN_MAIL)  # RFC 4954 4
    if not visitor.tls:
        _failed(session, AuthCause.INSECURE_CHANNEL, dialogue.login_in(mechanism, initial))
        return await session.fail(Reply.INSECURE_AUTH.answer.line())
    return await _log_in(session, mechanism, initial)


async def _log_in(session: "Session", mechanism: str, initial: str) -> None:
    login, visitor = dialogue.login_in(mechanism, initial), session.visitor
    try:
        login, password = await dialogue.credentials(mechanism, initial, session.ask)
        asked = LoginQuestion(login=login, password=password, host=visitor.host, server_name=visitor.server_name)
        if not await session.door.guard.turn(login, visitor.host):
            return await session.fail(answers.LOGIN_UNAVAILABLE)
        answer = await session.door.who.login(asked)
    except dialogue.Unusable as error:
        return await session.fail(error.answer)
    except (EOFError, ConnectionError, asyncio.CancelledError):
        _failed(session, AuthCause.BROKEN_OFF, login)
        raise
    return await _logged_in(session, login, answer)


async def _logged_in(session: "Session", login: str, answer: Granted | Denied | Unavailable) -> None:
    match answer:
        case Granted():
            metrics.LOGINS.labels("ok").inc()
            session.visitor.login, session.visitor.granted = login, answer
            session.door.guard.welcome(login, session.visitor.host)
            return await session.push(answers.LOGGED_IN)
        case Denied():
            _failed(session, AuthCause.WRONG_CREDENTIALS, login, answer.account)
            return await session.fail(Reply.WRONG_CREDENTIALS.answer.line())
        case Unavailable():
            metrics.LOGINS.labels("unavailable").inc()
            return await session.fail(answers.LOGIN_UNAVAILABLE)  # so many and no more, like an error


def _failed(session: "Session", cause: AuthCause, login: str, account: str = "") -> None:
    metrics.LOGINS.labels(cause.value).inc()
    host, listener = session.visitor.host, session.visitor.listener
    session.door.ledger.say_later(
        AuthFailed(
            at=datetime.now(UTC), host=host, login=login[:MAX_LOGIN], cause=cause, account=account, listener=listener
        )
    )
