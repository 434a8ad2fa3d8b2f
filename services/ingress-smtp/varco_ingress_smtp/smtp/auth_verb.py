"""AUTH: inside TLS alone, asked of policy, and every failure a fact (RFC 4954)."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from varco_common.events import AuthCause, AuthFailed
from varco_common.mail.grants import Denied, LoginQuestion, Unavailable
from varco_common.mail.replies import Reply
from varco_ingress_smtp import metrics
from varco_ingress_smtp.authentication import CachedGrant
from varco_ingress_smtp.smtp import answers, sasl

if TYPE_CHECKING:
    from varco_ingress_smtp.smtp.session import SmtpSession

MAX_LOGIN = 256  # characters of what a stranger claims to be called


async def auth(session: "SmtpSession", argument: str) -> None:
    info = session.info
    mechanism, _, initial = argument.partition(" ")
    if not info.extended:
        return await session.fail(answers.HELO_FIRST)
    if info.login:
        return await session.fail(answers.LOGGED_IN_ALREADY)
    if session.mail:
        return await session.fail(answers.AUTH_IN_MAIL)  # RFC 4954 4
    if not info.tls:
        _failed(session, AuthCause.INSECURE_CHANNEL, sasl.login_in(mechanism, initial))
        return await session.fail(Reply.INSECURE_AUTH.answer.line())
    return await _log_in(session, mechanism, initial)


async def _log_in(session: "SmtpSession", mechanism: str, initial: str) -> None:
    login, info = sasl.login_in(mechanism, initial), session.info
    try:
        login, password = await sasl.credentials(mechanism, initial, session.ask)
        asked = LoginQuestion(login=login, password=password, host=info.host, server_name=info.server_name)
        if not await session.admission.login_throttle.wait_for_turn(login, info.host):
            return await session.fail(answers.LOGIN_UNAVAILABLE)
        answer = await session.admission.authenticator.login(asked)
    except sasl.SaslError as error:
        return await session.fail(error.answer)
    except (EOFError, ConnectionError, asyncio.CancelledError):
        _failed(session, AuthCause.BROKEN_OFF, login)
        raise
    return await _logged_in(session, login, answer)


async def _logged_in(session: "SmtpSession", login: str, answer: CachedGrant | Denied | Unavailable) -> None:
    match answer:
        case CachedGrant():
            metrics.LOGINS.labels("ok").inc()
            session.info.login, session.info.granted = login, answer
            session.admission.login_throttle.remember(login, session.info.host)
            return await session.push(answers.LOGGED_IN)
        case Denied():
            _failed(session, AuthCause.WRONG_CREDENTIALS, login, answer.account)
            return await session.fail(Reply.WRONG_CREDENTIALS.answer.line())
        case Unavailable():
            metrics.LOGINS.labels("unavailable").inc()
            return await session.fail(answers.LOGIN_UNAVAILABLE)  # so many and no more, like an error


def _failed(session: "SmtpSession", cause: AuthCause, login: str, account: str = "") -> None:
    metrics.LOGINS.labels(cause.value).inc()
    host, listener = session.info.host, session.info.listener
    session.admission.recorder.append_in_background(
        AuthFailed(
            at=datetime.now(UTC), host=host, login=login[:MAX_LOGIN], cause=cause, account=account, listener=listener
        )
    )
