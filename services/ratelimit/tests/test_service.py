"""ratelimit on a real bus: limits, answers, refusals, redelivery, restarts."""

import asyncio
import re
from datetime import UTC, datetime
from itertools import chain

from varco_common.base.errors import TransientError
from varco_common.events import Meter, QuotaExceeded, QuotaNearlyReached, RecipientRefused
from varco_common.mail.replies import Reply
from varco_common.testing.diversion import divert
from varco_ratelimit import app
from varco_ratelimit.vote_inputs import FIRST_TIME

from .conftest import ballot, record, until

PER_DAY = {"limit": 3, "per": "1 day"}


async def said(bus, *facts):
    """All events so far of these facts."""
    filters, found = [f"events.ratelimit.{fact}.*" for fact in facts], []
    last = await bus.events.last_sequence(*filters)
    if last:
        async for stored in bus.events.follow(*filters):
            found.append(stored.event)
            if stored.sequence == last:
                break
    return found


async def test_a_diverted_answer_in_place_of_its_lease_stops_nothing(gate, nats):
    await divert(nats, "lease.ratelimit", b"no lease")

    async def votes():
        return (await gate.vote(ballot())).reply is Reply.ACCEPTED

    await until(votes)
    assert not await gate.bus.events.last_sequence("events.parked.>")


async def test_without_a_quota_everything_passes(gate):
    assert {await gate.send(ballot()) for _ in range(20)} == {Reply.ACCEPTED}


async def test_the_excess_is_refused_in_the_known_words(gate):
    await gate.quotas(messages=PER_DAY, time_zone="Europe/Rome")
    assert [await gate.send(ballot()) for _ in range(3)] == [Reply.ACCEPTED] * 3
    vote = await gate.vote(ballot("Alice@ACME.example", "carl@dest.example"))
    assert vote.reply.answer[:2] == (450, "4.7.1")
    text = r"<carl@dest.example>\.\.\. Alice@ACME.example has exceeded 3 messages per 1 day; "
    assert re.fullmatch(text + r"next message allowed at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0[12]00", vote.text)
    assert await gate.send(ballot("bea@acme.example")) is Reply.ACCEPTED
    assert await gate.send(ballot("alice@acme.example", account="other")) is Reply.ACCEPTED


async def test_a_mail_that_another_voter_refuses_costs_nothing(gate):
    await gate.quotas(messages=PER_DAY)
    for _ in range(10):
        assert await gate.send(ballot(), Reply.FORBIDDEN_ATTACHMENT) is Reply.FORBIDDEN_ATTACHMENT

        async def free():
            return not (await gate.sender())["meters"][0]["pending"]

        await until(free)
    assert [await gate.send(ballot()) for _ in range(4)] == [Reply.ACCEPTED] * 3 + [Reply.QUOTA_EXCEEDED]


async def test_a_mail_that_goes_on_without_some_recipients_is_held_to_its_quota(gate):
    """Its recipients over a limit were refused, and that was stated, before the ballot."""
    await gate.quotas(messages=PER_DAY)
    mails = [ballot() for _ in range(4)]
    for one in mails:
        stated = RecipientRefused(
            at=datetime.now(UTC),
            account="acme",
            mail=one.envelope.id,
            sender=one.envelope.sender,
            recipient="over@dest.example",
            host="127.0.0.1",
            reply=Reply.TOO_MANY_RECIPIENTS,
            answer="452 4.5.3",
        )
        await gate.bus.events.append(stated)
    fence = ballot("fence@acme.example")
    assert await gate.send(fence, Reply.FORBIDDEN_ATTACHMENT) is Reply.FORBIDDEN_ATTACHMENT

    async def read():
        return not (await gate.sender("fence@acme.example"))["meters"][0]["pending"]

    await until(read)
    replies = [(await gate.vote(one)).reply for one in mails]  # on their way all at once: none is in MAIL yet
    assert replies == [Reply.ACCEPTED] * 3 + [Reply.QUOTA_EXCEEDED]


async def test_a_record_that_comes_twice_counts_once(gate):
    await gate.quotas(messages=PER_DAY)
    one = ballot()
    vote = await gate.vote(one)
    for _ in range(3):
        await gate.bus.mail.append("accepted", record(one, vote), b"")
    await gate.counted(1)
    assert await gate.send(ballot()) is Reply.ACCEPTED
    await gate.counted(2)
    assert await gate.used() == 2


async def test_copies_and_notifications_cost_nothing(gate):
    await gate.quotas(messages=PER_DAY)
    for kind in ("converted", "copy", "dsn"):
        await gate.bus.mail.append(kind, record(ballot()), b"")
    assert await gate.send(ballot()) is Reply.ACCEPTED
    await gate.counted(1)
    assert await gate.used() == 1


async def test_a_mail_whose_ingress_died_costs_nothing_after_a_while(start, monkeypatch):
    monkeypatch.setattr(app, "LAPSE_SECONDS", 1.0)
    async with start() as gate:
        await gate.quotas(messages=PER_DAY)
        assert [(await gate.vote(ballot())).reply for _ in range(4)] == [Reply.ACCEPTED] * 3 + [Reply.QUOTA_EXCEEDED]

        async def passes():
            return (await gate.vote(ballot())).reply.accepts

        await until(passes)


async def test_of_500_mails_over_50_connections_exactly_100_pass(gate):
    await gate.quotas(messages={"limit": 100, "per": "1 day"})

    async def connection():
        return [await gate.send(ballot()) for _ in range(10)]

    replies = [*chain(*await asyncio.gather(*(connection() for _ in range(50))))]
    assert (replies.count(Reply.ACCEPTED), replies.count(Reply.QUOTA_EXCEEDED)) == (100, 400)


async def test_a_restart_forgets_nothing_and_counts_nothing_twice(start, tmp_path):
    async with start() as gate:
        await gate.quotas(messages=PER_DAY)
        assert [await gate.send(ballot()) for _ in range(2)] == [Reply.ACCEPTED] * 2
    async with start() as gate:
        assert await gate.used() == 2
        assert [await gate.send(ballot()) for _ in range(2)] == [Reply.ACCEPTED, Reply.QUOTA_EXCEEDED]
    (tmp_path / "data" / "ratelimit.sqlite").unlink()
    async with start() as gate:
        assert await gate.used() == 3
        assert await gate.send(ballot()) is Reply.QUOTA_EXCEEDED


async def test_recipients_bytes_and_first_time_recipients_are_metered(gate):
    await gate.quotas(recipients=5)
    many = [f"r{number}@dest.example" for number in range(6)]
    assert await gate.send(ballot("a@acme.example", *many[:3])) is Reply.ACCEPTED
    vote = await gate.vote(ballot("a@acme.example", *many[:3]))
    assert "a@acme.example has exceeded 5 recipients per 1 day; next" in vote.text
    await gate.quotas(bytes="5kB")
    assert await gate.send(ballot("b@acme.example", size=3000)) is Reply.ACCEPTED
    assert "has exceeded 5kB per 1 day; next" in (await gate.vote(ballot("b@acme.example", size=3000))).text
    await gate.quotas(first_time_recipients={"limit": 3, "per": "1 hour"})
    await until(lambda: known(gate, "a@acme.example", many[:3]))
    assert await gate.send(ballot("a@acme.example", *many[:6])) is Reply.ACCEPTED
    await until(lambda: known(gate, "a@acme.example", many))
    assert await gate.send(ballot("a@acme.example", *many)) is Reply.ACCEPTED
    vote = await gate.vote(ballot("a@acme.example", "new@dest.example"))
    assert "has exceeded 3 first-time recipients per 1 hour; next" in vote.text


async def known(gate, sender, recipients):
    """Whether the sender's mail so far is counted: then its recipients are known, too."""
    vote = await gate.vote(ballot(sender, *recipients))
    return vote.reply.accepts and FIRST_TIME not in vote.figures


async def test_a_mail_that_is_over_the_limit_by_itself_is_refused_for_good(gate):
    await gate.quotas(recipients=2)
    vote = await gate.vote(ballot("a@acme.example", "x@d.example", "y@d.example", "z@d.example"))
    assert vote.reply is Reply.QUOTA_EXCEEDED_FINALLY
    assert vote.text.endswith("; this message is over it by itself")


async def test_an_account_can_choose_a_refusal_for_good(gate):
    await gate.quotas(messages=1, answer=550)
    assert await gate.send(ballot()) is Reply.ACCEPTED
    vote = await gate.vote(ballot())
    assert vote.reply.answer[:2] == (550, "5.7.1")


async def test_a_whole_account_has_its_limit_over_all_senders(gate):
    await gate.quotas(account={"messages": 3})
    senders = [f"s{number}@acme.example" for number in range(4)]
    assert [await gate.send(ballot(sender)) for sender in senders] == [Reply.ACCEPTED] * 3 + [Reply.QUOTA_EXCEEDED]
    assert "account acme has exceeded 3 messages per 1 day" in (await gate.vote(ballot("x@acme.example"))).text


async def test_nearly_reached_and_exceeded_are_said_once_a_window(gate):
    await gate.quotas(messages=10)
    for _ in range(14):
        await gate.send(ballot())

    async def both():
        return len(await said(gate.bus, "quota-nearly-reached", "quota-exceeded")) >= 2

    await until(both)
    near, over = await said(gate.bus, "quota-nearly-reached", "quota-exceeded")
    assert isinstance(near, QuotaNearlyReached)
    assert (near.sender, near.meter, near.used, near.account) == ("alice@acme.example", Meter.MESSAGES, 9, "acme")
    assert isinstance(over, QuotaExceeded)
    assert (over.used, over.limit.limit) == (10, 10)


async def test_a_reset_lets_a_sender_send_again(gate):
    await gate.quotas(messages=2)
    assert [await gate.send(ballot()) for _ in range(3)][-1] is Reply.QUOTA_EXCEEDED
    await gate.counted(2)
    path = "/accounts/acme/quotas/resets"
    assert (await gate.http.post(path, json={"sender": "alice@acme.example"})).status_code == 422  # no reason
    form = {"sender": "Alice@acme.example"}
    await gate.done(gate.http.post(path, params={"reason": "a newsletter"}, json=form))
    assert [await gate.send(ballot()) for _ in range(3)] == [Reply.ACCEPTED] * 2 + [Reply.QUOTA_EXCEEDED]


async def test_a_voter_that_lost_the_bus_votes_again_after_it(gate, nats):
    await gate.quotas(messages=2)
    assert await gate.send(ballot()) is Reply.ACCEPTED
    await nats.restart()

    async def sent():
        try:
            return await gate.send(ballot())
        except TransientError:
            return None

    async def passes():
        return await sent() is Reply.ACCEPTED

    await until(passes)
    assert await gate.patiently(ballot()) is Reply.QUOTA_EXCEEDED


async def test_what_cannot_be_read_in_mail_stops_nothing(gate, nats):
    await gate.quotas(messages=2)
    await gate.bus._connection.request("mail.accepted.acme", b"no record", timeout=30)
    assert await gate.send(ballot()) is Reply.ACCEPTED
    await gate.counted(1)
