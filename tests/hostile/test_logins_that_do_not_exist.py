"""A stranger cannot tell from the work that the gate does whether a login exists."""

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from argon2 import extract_parameters

from varco_common.events import LoginGuarded
from varco_common.mail.grants import LOGIN, Denied, LoginQuestion
from varco_common.runtime.login_throttle import LoginThrottle
from varco_common.runtime.passwords import Argon2, PasswordVerifier

EXISTING, UNKNOWN = "alice@acme.example", "nobody@acme.example"


@pytest.fixture
async def work(policy, monkeypatch) -> list[tuple]:
    """What policy has done for logins: places in the queue, and hashes with their cost."""
    form = {"password": "12345678"}
    await policy.admin.put("/accounts/acme", json={"senders": ["@acme.example"]})
    assert (await policy.admin.put(f"/accounts/acme/users/{EXISTING}", json=form)).status_code == 200
    work, run, verify = [], PasswordVerifier.verify, Argon2._verify

    async def queued(verifier, digest, password, key="", *, favoured=False):
        work.append(("queued", key, favoured))
        return await run(verifier, digest, password, key, favoured=favoured)

    def hashed(argon2, digest, password):
        work.append(("hashed", extract_parameters(digest or argon2._dummy)))
        return verify(argon2, digest, password)

    monkeypatch.setattr(PasswordVerifier, "verify", queued)
    monkeypatch.setattr(Argon2, "_verify", hashed)
    return work


async def test_policy_does_the_same_for_both_from_eleven_hosts_on(work, bus):
    for number in range(12):
        host, done = f"198.51.100.{number}", []
        for login in (EXISTING, UNKNOWN):
            work.clear()
            question = LoginQuestion(login=login, password="wrong", host=host)
            answer = await bus.requests.ask(LOGIN, msgspec.json.encode(question), 60)
            assert isinstance(msgspec.json.decode(answer, type=Denied), Denied)
            done.append([*work])
        assert done[0] == done[1]
        assert [step[0] for step in done[0]] == ["queued", "hashed"]


async def test_strangers_wait_for_as_many_turns_at_both():
    """banguard guards both (test_many_failures_have_the_same_consequences...)."""
    throttle, until = LoginThrottle(0.01, 10), datetime.now(UTC) + timedelta(hours=1)
    for login, account in ((EXISTING, "acme"), (UNKNOWN, "")):
        throttle.add(LoginGuarded(at=datetime.now(UTC), by="banguard", login=login, account=account, until=until))
    turns = [
        await asyncio.gather(*(throttle.wait_for_turn(login, f"198.51.100.{number}") for number in range(30)))
        for login in (EXISTING, UNKNOWN)
    ]
    assert turns[0] == turns[1]
    assert turns[0].count(True) == 10
