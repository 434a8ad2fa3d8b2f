"""Hashing passwords is expensive: nobody may spend it for all the others."""

import asyncio
import threading

import pytest

from varco_common.runtime.fair_queue import FairQueue
from varco_common.runtime.passwords import PasswordVerifier, TooManyLoginsError, good_argon2
from varco_policy.api.request_parsing import MAX_PASSWORDS
from varco_policy.app import MAX_HASHING_PER_THREAD

COSTLY = "$argon2id$v=19$m=1048576,t=20,p=64$c2FsdHNhbHRzYWx0$u1MjgaAZYBRcPLJNNaQpcg"


class SlowHashes:
    """Notes the order of passwords; hashes none before `go` is set."""

    def __init__(self) -> None:
        self.go, self.order = threading.Event(), []

    def verify(self, digest: str, password: str) -> bool:
        assert self.go.wait(10)
        self.order.append(password)
        return True

    def make(self, password: str) -> str:
        self.verify("", password)
        return ""

    def outdated(self, digest: str) -> bool:
        return False


async def test_a_hash_that_takes_a_gigabyte_is_refused(policy):
    users = [{"login": "a@acme.example", "password_hash": COSTLY}]
    answer = await policy.admin.put("/accounts/acme", json={"users": users})
    assert answer.status_code == 422
    assert "too much memory or time" in answer.text


async def test_an_account_s_token_sends_a_bounded_number_of_passwords(policy):
    await policy.admin.put("/accounts/acme", json={})
    users = [{"login": f"u{number}@acme.example", "password": "12345678"} for number in range(MAX_PASSWORDS + 1)]
    async with policy.client("acme") as account:
        answer = await account.put("/accounts/acme", json={"users": users})
        assert answer.status_code == 422
        lines = "\n".join(f"{user['login']}:{{PLAIN}}12345678" for user in users)
        assert (await account.post("/accounts/acme/users/import", json={"lines": lines})).status_code == 422


async def test_accounts_take_turns_and_known_hosts_come_first():
    hashes = SlowHashes()
    async with PasswordVerifier.open(hashes, threads=1, bound=100) as verifier:
        tasks = [asyncio.create_task(verifier.make(f"flood {n}", "account flood")) for n in range(20)]
        tasks.append(asyncio.create_task(verifier.verify("x", "other", "account other")))
        tasks.append(asyncio.create_task(verifier.verify("x", "known", "host", favoured=True)))
        await asyncio.sleep(0)
        hashes.go.set()
        await asyncio.gather(*tasks)
        assert verifier.waiting == 0
    assert hashes.order[:4] == ["flood 0", "known", "flood 1", "other"]


async def test_one_account_fills_half_of_the_queue_at_most():
    hashes = SlowHashes()
    async with PasswordVerifier.open(hashes, threads=1, bound=10) as verifier:
        tasks = [asyncio.create_task(verifier.make("x", "account flood")) for _ in range(20)]
        await asyncio.sleep(0)
        honest = asyncio.create_task(verifier.make("honest", "account other"))
        await asyncio.sleep(0)
        hashes.go.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await honest
    assert sum(isinstance(result, TooManyLoginsError) for result in results) == 14


async def test_a_login_that_is_given_up_leaves_the_queue():
    hashes = SlowHashes()
    async with PasswordVerifier.open(hashes, threads=1, bound=10) as verifier:
        first, second, third = (asyncio.create_task(verifier.make(name)) for name in ("1", "2", "3"))
        await asyncio.sleep(0)
        second.cancel()
        hashes.go.set()
        await asyncio.gather(first, third)
        assert verifier.waiting == 0
    assert hashes.order == ["1", "3"]


def test_ordinary_work_is_not_starved_by_favoured_work():
    queue: FairQueue[str] = FairQueue()
    for number in range(10):
        queue.push("known", f"f{number}", favoured=True)
    queue.push("new", "ordinary")
    assert "ordinary" in [queue.pop() for _ in range(4)]


async def test_a_hundred_first_logins_at_once_find_a_place():
    hashes = SlowHashes()
    async with PasswordVerifier.open(hashes, threads=2, bound=2 * MAX_HASHING_PER_THREAD) as verifier:
        tasks = [asyncio.create_task(verifier.verify("x", "x", f"host 192.0.2.{n}")) for n in range(100)]
        await asyncio.sleep(0)
        hashes.go.set()
        assert all(await asyncio.gather(*tasks))


@pytest.mark.parametrize("digest", ["", COSTLY.replace("p=64", "p=17"), COSTLY.replace("m=1048576", "m=262145")])
def test_costly_is_what_takes_more_than_a_bound(digest):
    assert not good_argon2(digest)
