"""No account keeps others waiting."""

import asyncio

from varco_domains.turns import take_turns


async def test_an_account_with_silent_name_servers_keeps_no_other_one_waiting() -> None:
    answered, seen = asyncio.Event(), asyncio.Queue[str]()

    async def look(account: str, domain: str) -> None:
        if account == "silent":
            await answered.wait()
        seen.put_nowait(domain)

    due = [*(("silent", f"d{number}.example") for number in range(100)), ("acme", "acme.example")]
    turns = asyncio.create_task(take_turns(due, look))
    async with asyncio.timeout(60):
        assert await seen.get() == "acme.example"
        answered.set()
        await turns
    assert [seen.get_nowait() for _ in range(seen.qsize())] == [f"d{number}.example" for number in range(5)]


async def test_when_nothing_is_due_nobody_is_asked() -> None:
    async def look(account: str, domain: str) -> None:
        raise AssertionError(f"{account} {domain}")

    await take_turns([], look)
