"""Signing in with a password: guarded, counted, and as slow for unknown names as for known ones."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum, auto
from typing import NamedTuple

from varco_common.events import AuthCause, AuthFailed
from varco_common.runtime.login_throttle import LoginThrottle
from varco_common.runtime.passwords import PasswordVerifier, TooManyLoginsError
from varco_common.runtime.repeated_guesses import GuessDigest
from varco_console import metrics
from varco_console.commands import Proof
from varco_console.model import NAME, Person
from varco_console.people import BrowserSession, People
from varco_console.second_factor import FactorSeal, code_step
from varco_console.secret_values import SecretValue

MAX_NAME = 256  # characters of the claimed name that go into an event
MAX_PASSWORD = 1_024
_CODE = re.compile(r"\d{6}", re.ASCII)


class Refusal(Enum):
    """Why nobody is signed in; also the key of the text."""

    WRONG = auto()
    BUSY = auto()


class GivenSecrets(NamedTuple):
    """What a person typed. `code` is empty for those without a second factor."""

    name: str
    password: str
    code: str = ""


class SignIn:
    """`report` appends the event of a failure, in the background."""

    def __init__(
        self,
        people: People,
        *,
        passwords: PasswordVerifier,
        throttle: LoginThrottle,
        guesses: GuessDigest,
        seal: FactorSeal,
        report: Callable[[AuthFailed], None],
    ) -> None:
        self._seal = seal
        self._people, self._passwords = people, passwords
        self._throttle, self._guesses, self._report = throttle, guesses, report

    async def attempt(self, given: GivenSecrets, host: str, agent: str) -> SecretValue | Refusal:
        """The secret of a new session.

        The answer never says which of name, password and code is wrong. Raises TransientError.
        """
        name, password = given.name, given.password
        name = name.strip().lower()[:MAX_NAME]
        if not await self._throttle.wait_for_turn(name, host):
            return _counted(Refusal.BUSY)
        person = self._people.get(name)
        try:
            right = await self._passwords.verify(person.hash if person else "", password[:MAX_PASSWORD], name)
        except TooManyLoginsError:
            return _counted(Refusal.BUSY)
        step = self._code_step(person, given.code) if person and right else 0
        if not person or not right or (person.factor and not step):
            self._report(self._failure(name, f"{password}{given.code}", host, person.account if person else ""))
            return _counted(Refusal.WRONG)
        self._throttle.remember(name, host)
        secret = await self._people.sign_in(Proof(person, step), host, agent)
        metrics.SIGN_INS.labels("ok").inc()
        return secret

    async def confirm(self, opened: BrowserSession, given: str, host: str) -> Refusal | None:
        """Asks somebody who is signed in once more: for the password, or a code of the present app.

        Whoever has neither, because a provider says who they are, is not asked. A wrong answer is
        a strike, as at signing in. Raises TransientError, and NotFound if the person was changed,
        or the code used, meanwhile.
        """
        person = opened.person
        if not person.hash and not person.factor:
            return None
        if not await self._throttle.wait_for_turn(person.name, host):
            return _counted(Refusal.BUSY)
        try:
            right = await self._is_proof(opened, given, host)
        except TooManyLoginsError:
            return _counted(Refusal.BUSY)
        if right:
            return None
        self._report(self._failure(person.name, given, host, person.account))
        return _counted(Refusal.WRONG)

    async def _is_proof(self, opened: BrowserSession, given: str, host: str) -> bool:
        person = opened.person
        if _CODE.fullmatch(given.replace(" ", "")):  # no password is so short
            if step := self._code_step(person, given):
                await self._people.use_code(opened, step, host)
            return bool(step)
        right = await self._passwords.verify(person.hash, given[:MAX_PASSWORD], person.name)
        return right and bool(person.hash)

    def _code_step(self, person: Person, code: str) -> int:
        if not person.factor:
            return 0
        return code_step(self._seal.decrypt(person.factor), code, datetime.now(UTC), person.code_step)

    def _failure(self, name: str, password: str, host: str, account: str) -> AuthFailed:
        return AuthFailed(
            at=datetime.now(UTC),
            host=host,
            login=name,
            cause=AuthCause.WRONG_CREDENTIALS,
            account=account,
            guess=self._guesses.of(name, password),
            listener="console",
            service=NAME,
        )


def _counted(refusal: Refusal) -> Refusal:
    metrics.SIGN_INS.labels(refusal.name.lower()).inc()
    return refusal
