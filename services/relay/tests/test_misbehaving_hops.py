"""Next hops that misbehave: what the sender hears, and what the trace of the mail says."""

import asyncio
import ssl
from dataclasses import dataclass, field

import pytest

from varco_common.events import (
    MailBounced,
    MailDeferred,
    MailDelivered,
    MailExpired,
    RouteFailed,
    RouteRecovered,
    SenderNotified,
)
from varco_common.testing.certificates import self_signed
from varco_common.testing.next_hop import DROP, HANG, LOSE, NextHop, recipients

QUICK = {"timeout_factor": 0.01}  # 3 seconds for a command


@dataclass(frozen=True, kw_only=True)
class Misbehaviour:
    """`script` has what the next hop answers once.

    `deferred` and `down` are what the trace says, `arrivals` how often the mail comes.
    """

    title: str
    script: dict[str, tuple[str, ...]] = field(default_factory=dict)
    deferred: str = ""
    down: str = ""
    arrivals: int = 1

    def __str__(self) -> str:
        return self.title


RECIPIENT = "bob@x.example"
HARMLESS = (
    Misbehaviour(title="greylists", script={RECIPIENT: ("450 4.2.0 come again",)}, deferred="450 4.2.0 come again"),
    Misbehaviour(title="greets with 421", script={"GREETING": ("421 4.3.2 busy",)}, down="greets with 421 4.3.2 busy"),
    Misbehaviour(title="greets with 554", script={"GREETING": ("554 5.7.1 no",)}, down="greets with 554 5.7.1 no"),
    Misbehaviour(title="greets in lines", script={"GREETING": ("220-welcome\n220-to the\n220 next hop",)}),
    Misbehaviour(title="closes instead of greeting", script={"GREETING": (DROP,)}, down="closed the connection"),
    Misbehaviour(title="greets in SSH", script={"GREETING": ("SSH-2.0-OpenSSH_9.2",)}, down="isn't SMTP"),
    Misbehaviour(title="answers EHLO with 421", script={"EHLO": ("421 4.3.2 no",)}, down="421 4.3.2 no"),
    Misbehaviour(title="closes at EHLO", script={"EHLO": (DROP,)}, down="closed the connection"),
    Misbehaviour(title="answers MAIL with 421", script={"MAIL": ("421 4.7.0 not now",)}, deferred="421 4.7.0 not now"),
    Misbehaviour(title="answers MAIL with 451", script={"MAIL": ("451 4.3.0 not now",)}, deferred="451 4.3.0 not now"),
    Misbehaviour(title="closes at MAIL", script={"MAIL": (DROP,)}, deferred="connection lost before the body"),
    Misbehaviour(title="is silent at MAIL", script={"MAIL": (HANG,)}, deferred="connection lost before the body"),
    Misbehaviour(title="answers RCPT with 421", script={RECIPIENT: ("421 4.7.0 no",)}, deferred="421 4.7.0 no"),
    Misbehaviour(title="is full", script={RECIPIENT: ("452 4.2.2 mailbox full",)}, deferred="452 4.2.2 mailbox full"),
    Misbehaviour(title="closes at RCPT", script={RECIPIENT: (DROP,)}, deferred="connection lost before the body"),
    Misbehaviour(title="answers DATA with 421", script={"DATA": ("421 4.3.2 no",)}, deferred="421 4.3.2 no"),
    Misbehaviour(title="answers DATA with 451", script={"DATA": ("451 4.3.0 no",)}, deferred="451 4.3.0 no"),
    Misbehaviour(title="closes at DATA", script={"DATA": (DROP,)}, deferred="connection lost before the body"),
    Misbehaviour(title="answers the dot with 421", script={"END": ("421 4.3.2 no",)}, deferred="421 4.3.2 no"),
    Misbehaviour(title="answers the dot with 452", script={"END": ("452 4.3.1 disk",)}, deferred="452 4.3.1 disk"),
    Misbehaviour(title="loses the mail after the dot", script={"END": (LOSE,)}, deferred="or after it"),
    Misbehaviour(title="takes it and closes", script={"END": (DROP,)}, deferred="or after it", arrivals=2),
    Misbehaviour(title="answers the dot with 354", script={"END": ("354 more",)}, deferred="answered 354 more"),
    Misbehaviour(title="answers in lines", script={"END": ("250-2.0.0 I have\n250-2.0.0 taken\n250 2.0.0 it",)}),
)


@pytest.mark.parametrize("case", HARMLESS, ids=str)
async def test_the_sender_hears_nothing_and_the_mail_arrives_after_it(gate, hop: NextHop, case: Misbehaviour):
    for verb, answers in case.script.items():
        hop.answer(verb, *answers)
    await gate.account()
    await gate.route(hop)
    async with gate.relay(**QUICK):
        mail = await gate.mail(RECIPIENT)
        await gate.facts.until(MailDelivered, mail=mail, timeout=60)
        if case.down:
            await gate.facts.until(RouteRecovered)
    answers = [failure.answer for event in gate.facts.of(MailDeferred, mail) for failure in event.failures]
    assert (len(answers) == 1 and case.deferred in answers[0]) if case.deferred else answers == []
    reasons = [event.why for event in gate.facts.of(RouteFailed)]
    assert (case.down in reasons[0]) if case.down else True
    assert len(hop.received) == case.arrivals
    assert gate.facts.of(SenderNotified) == gate.facts.of(MailBounced) == gate.facts.of(MailExpired) == []


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("MAIL", "550 5.7.1 you are not welcome"),
        ("MAIL", "552 5.3.4 too large"),
        (RECIPIENT, "550 5.1.1 no such user"),
        (RECIPIENT, "551-5.1.6 moved\n551 5.1.6 away"),
        ("DATA", "554 5.5.1 no"),
        ("END", "554 5.7.1 spam"),
    ],
)
async def test_the_sender_hears_the_words_of_a_refusal_and_who_said_them(gate, hop: NextHop, verb: str, answer: str):
    hop.answer(verb, answer)
    await gate.account()
    await gate.route(hop)
    async with gate.relay():
        mail = await gate.mail(RECIPIENT)
        (event,) = await gate.facts.until(MailBounced)
        await gate.facts.until(SenderNotified)
        await hop.got(1)
    line = answer.replace("\n551 ", " ").replace("551-", "551 ")
    assert (event.host, event.failures[0].answer) == (f"127.0.0.1:{hop.port}", line)
    dsn = hop.received[0].content.decode()
    assert f"Diagnostic-Code: smtp; {line}" in dsn
    assert "Remote-MTA: dns; 127.0.0.1" in dsn
    assert f"Final-Recipient: rfc822; {RECIPIENT}" in dsn
    assert gate.facts.of(MailDeferred, mail) == []


async def test_what_is_deferred_to_the_end_is_returned_with_the_last_words(gate, hop: NextHop):
    hop.answer(RECIPIENT, *["450 4.2.0 never"] * 1000)
    await gate.account()
    await gate.route(hop)
    async with gate.relay(give_up="2s"):
        await gate.mail(RECIPIENT)
        await gate.facts.until(MailExpired, timeout=60)
        await hop.got(1)
    assert "450 4.2.0 never" in hop.received[0].content.decode()
    assert "Status: 5.4.7" in hop.received[0].content.decode()


async def test_a_recipient_too_many_goes_in_the_next_transaction(gate, hop: NextHop):
    hop.answer("c@x.example", "452 4.5.3 too many recipients")
    await gate.account()
    await gate.route(hop)
    async with gate.relay():
        await gate.mail("a@x.example", "b@x.example", "c@x.example")
        await gate.facts.until(MailDelivered, 2)
    assert [mail.recipients for mail in hop.received] == [("a@x.example", "b@x.example"), ("c@x.example",)]
    assert gate.facts.of(MailDeferred) == []


async def test_a_hop_that_closes_after_each_mail_gets_them_all(gate, hop: NextHop):
    hop.answer("MAIL", *["250 2.1.0 ok", DROP] * 20)
    await gate.account()
    await gate.route(hop)
    async with gate.relay(connections=1):
        for number in range(6):
            await gate.mail(f"r{number}@x.example")
        await gate.facts.until(MailDelivered, 6)
    assert sorted(recipients(hop.received)) == [f"r{number}@x.example" for number in range(6)]


async def test_a_slow_hop_gets_each_mail_once(gate, hop: NextHop):
    async def slowly() -> None:
        await asyncio.sleep(0.3)

    hop.before_end = slowly
    await gate.account()
    await gate.route(hop)
    async with gate.relay():
        for number in range(8):
            await gate.mail(f"r{number}@x.example")
        await gate.facts.until(MailDelivered, 8)
    assert sorted(recipients(hop.received)) == [f"r{number}@x.example" for number in range(8)]
    assert gate.facts.of(MailDeferred) == []


def broken_tls(directory) -> ssl.SSLContext:
    """Shares no cipher with anybody who has not lived under a stone."""
    context = self_signed(directory, "127.0.0.1").server
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("NULL:eNULL")
    return context


async def test_broken_tls_costs_no_mail_where_it_is_not_required(gate, hop: NextHop, tmp_path):
    hop.context = broken_tls(tmp_path)
    await gate.account()
    await gate.route(hop)
    async with gate.relay():
        await gate.mail(RECIPIENT)
        (event,) = await gate.facts.until(MailDelivered)
    assert event.tls == ""


async def test_broken_tls_makes_mail_wait_where_it_is_required(gate, hop: NextHop, tmp_path):
    hop.context = broken_tls(tmp_path)
    await gate.account()
    await gate.route(hop, tls="required")
    async with gate.relay():
        await gate.mail(RECIPIENT)
        (event,) = await gate.facts.until(RouteFailed)
    assert event.why.startswith("TLS: ")
    assert hop.received == []
    assert gate.facts.of(SenderNotified) == []


async def test_a_hop_that_floods_with_answers_is_left(gate, hop: NextHop):
    hop.answer("MAIL", "\n".join(["250 2.1.0 ok"] * 2_000))
    await gate.account()
    await gate.route(hop)
    async with gate.relay():
        await gate.mail(RECIPIENT)
        (event,) = await gate.facts.until(MailDeferred)
        await gate.facts.until(MailDelivered, timeout=60)
    assert "more replies than there were commands" in event.failures[0].answer


async def test_a_hop_that_only_knows_helo_gets_its_mail(gate, hop: NextHop):
    hop.ehlo = False
    await gate.account()
    await gate.route(hop)
    async with gate.relay():
        await gate.mail(RECIPIENT)
        await gate.facts.until(MailDelivered)
    assert "HELO gate.test" in hop.commands
