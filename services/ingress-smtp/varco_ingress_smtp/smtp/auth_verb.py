"""AUTH: inside TLS alone, asked of policy, and every failure an event (RFC 4954)."""

import asyncio
from datetime import UTC, datetime

from varco_common.events import AuthCause, AuthFailed
from varco_common.mail.grants import Denied, LoginQuestion, Unavailable
from varco_common.mail.replies import Reply
from varco_ingress_smtp import metrics
from varco_ingress_smtp.authentication import CachedGrant
from varco_ingress_smtp.smtp import answers, sasl
from varco_ingress_smtp.smtp.admission import Admission
from varco_ingress_smtp.transaction import SessionInfo

MAX_LOGIN = 256  # characters of the login that an event about a failure repeats


async def authenticate(admission: Admission, info: SessionInfo, argument: str, ask: sasl.Ask) -> str:
    """The answer to `AUTH argument`. After 235 `info` has the login and its grant."""
    mechanism, _, initial = argument.partition(" ")
    if not info.extended:
        return answers.HELO_FIRST
    if info.login:
        return answers.LOGGED_IN_ALREADY
    if info.mail:
        return answers.AUTH_IN_MAIL  # RFC 4954 4
    if not info.tls:
        _append_failure(admission, info, AuthCause.INSECURE_CHANNEL, sasl.login_in(mechanism, initial))
        return Reply.INSECURE_AUTH.answer.line()
    return await _log_in(admission, info, mechanism, initial, ask)


async def _log_in(admission: Admission, info: SessionInfo, mechanism: str, initial: str, ask: sasl.Ask) -> str:
    login = sasl.login_in(mechanism, initial)
    try:
        login, password = await sasl.credentials(mechanism, initial, ask)
        question = LoginQuestion(login=login, password=password, host=info.host, server_name=info.server_name)
        # A password that was right lately is no guess: who guesses at its login keeps nobody out.
        if not admission.authenticator.knows(question) and not await admission.login_throttle.wait_for_turn(
            login, info.host
        ):
            return answers.LOGIN_UNAVAILABLE
        answer = await admission.authenticator.login(question)
    except sasl.SaslError as error:
        return error.answer
    except (EOFError, ConnectionError, asyncio.CancelledError):
        _append_failure(admission, info, AuthCause.BROKEN_OFF, login)
        raise
    match answer:
        case CachedGrant():
            metrics.LOGINS.labels("ok").inc()
            info.login, info.granted = login, answer
            admission.login_throttle.remember(login, info.host)
            admission.remember(info.host)
            return answers.LOGGED_IN
        case Denied(disabled=True):
            metrics.LOGINS.labels("disabled").inc()
            return Reply.WRONG_CREDENTIALS.answer.line()
        case Denied():
            # Many clients try PLAIN and then LOGIN, and a phone tries its old password again.
            if info.guesses.is_new(guess := admission.guesses.of(login, password)):
                _append_failure(admission, info, AuthCause.WRONG_CREDENTIALS, login, answer.account, guess=guess)
            else:
                metrics.LOGINS.labels("repeated").inc()
            return Reply.WRONG_CREDENTIALS.answer.line()
        case Unavailable():
            metrics.LOGINS.labels("unavailable").inc()
            return answers.LOGIN_UNAVAILABLE


def _append_failure(
    admission: Admission, info: SessionInfo, cause: AuthCause, login: str, account: str = "", *, guess: str = ""
) -> None:
    metrics.LOGINS.labels(cause.value).inc()
    event = AuthFailed(
        at=datetime.now(UTC),
        host=info.host,
        login=login[:MAX_LOGIN],
        cause=cause,
        account=account,
        guess=guess,
        listener=info.listener,
        server_name=info.server_name,
    )
    admission.recorder.append_in_background(event)
