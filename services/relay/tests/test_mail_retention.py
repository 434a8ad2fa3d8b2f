"""What relay says that it still needs of MAIL."""

from varco_common.base.errors import TransientError
from varco_common.events import MailBounced, MailDeferred, MailDelivered, SenderNotified
from varco_common.storage import retention
from varco_common.storage.retention import RetentionAnswer, RetentionQuery
from varco_common.testing.next_hop import NextHop
from varco_common.testing.waiting import eventually


async def needed(gate, *sequences: int, kind: str = "accepted", account: str = "acme") -> tuple[int, ...]:
    question = RetentionQuery(subject=f"mail.{kind}.{account}", sequences=sequences)
    return (await retention.ask(gate.bus, "relay", question, 30)).needed


async def test_a_mail_is_needed_until_every_recipient_has_a_final_outcome(gate, hop: NextHop):
    hop.answer("slow@x.example", *["451 4.3.0 later"] * 3)
    await gate.account()
    await gate.mail("bob@x.example", "slow@x.example")
    await gate.mail("eve@x.example")
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}", retry_first="0.5s", retry_longest="0.5s"):
        await gate.facts.until(MailDeferred)
        await gate.facts.until(MailDelivered, 2)

        async def only_the_slow_one() -> bool:
            return await needed(gate, 1, 2) == (1,)

        await eventually(only_the_slow_one)
        await gate.facts.until(MailDelivered, 3)

        async def nothing() -> bool:
            return await needed(gate, 1, 2) == ()

        await eventually(nothing)
        assert await needed(gate, 3) == (3,)  # who knows what comes there
        assert await needed(gate, 1, account="unknown") == (1,)
        assert await needed(gate, 3, kind="convert") == ()


async def test_a_mail_is_needed_until_its_sender_was_told_and_so_is_the_notification(gate, hop: NextHop):
    hop.answer("nobody@x.example", "550 5.1.1 unknown")
    await gate.account()
    await gate.mail("nobody@x.example")
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}"):
        await gate.facts.until(MailBounced)
        await gate.facts.until(SenderNotified)
        await hop.got(1)  # the notification

        async def nothing() -> bool:
            return await needed(gate, 1) == () == await needed(gate, 2, kind="dsn")

        await eventually(nothing)


async def test_a_relay_that_is_not_there_says_nothing(gate):
    try:
        answer: RetentionAnswer | None = await retention.ask(
            gate.bus, "relay", RetentionQuery(subject="mail.dsn.a", sequences=(1,)), 1
        )
    except TransientError:
        answer = None
    assert answer is None
