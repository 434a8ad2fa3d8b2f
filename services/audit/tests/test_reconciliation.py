"""The balance: each recipient counts once, in whatever order events come; a lost mail is named."""

from datetime import UTC, datetime

import pytest

from varco_audit.reconciliation.checker import BalanceChecker
from varco_audit.reconciliation.counts import BalanceCounts
from varco_common.bus import Bus
from varco_common.bus.streams import manager
from varco_common.events import DeadLetterDropped, Failure, MailBounced, MailDelivered, MailDropped, MailExpired
from varco_common.mail.record import BodyReference, MailConverted
from varco_common.storage import retention
from varco_common.storage.retention import RetentionAnswer
from varco_common.testing.waiting import eventually


@pytest.fixture
def checked_at_once(monkeypatch):
    """Each mail is checked as soon as it is accepted."""
    monkeypatch.setattr(BalanceChecker, "grace", 0.0)
    monkeypatch.setattr(BalanceChecker, "interval", 0.1)


def about(mail, sequence, **more):
    return {"at": datetime.now(UTC), "account": "acme", "mail": mail, "sequence": sequence, **more}


def delivered(mail, sequence, *recipients, attempt=1):
    more = {"recipients": recipients, "host": "mx:25", "answer": "250 ok", "attempt": attempt}
    return MailDelivered(**about(mail, sequence, **more))


def failed(kind, mail, sequence, *recipients):
    failures = tuple(Failure(recipient=one, status="5.1.1", answer="550 no") for one in recipients)
    return kind(**about(mail, sequence, failures=failures, host="mx:25"))


async def balance(client, **params):
    answer = await client.get("/balance", params=params)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert all(line["balanced"] for line in found["lines"])
    return found


def totals(found, kind="mail"):
    names = ("accepted", "delivered", "bounced", "expired", "dropped", "in_flight", "unaccounted")
    return {name: total for name in names if (total := sum(one[name] for one in found["lines"] if one["kind"] == kind))}


async def when(client, **wanted):
    """The balance once its totals are these."""

    async def found():
        got = await balance(client)
        return got if totals(got) == wanted else None

    return await eventually(found)


async def metric(client, name):
    [line] = [one for one in (await client.get("/metrics")).text.splitlines() if one.startswith(f"{name} ")]
    return float(line.split()[1])


async def test_each_outcome_counts_once_though_it_is_stated_twice_or_before_the_mail(gate):
    async with gate.audit() as client, Bus.connect(gate.nats.settings(), "relay") as relay:
        mail = "06d2k3m8s1x7v0c2b9qa"
        await relay.events.append(delivered(mail, 1, "a@x.example"))  # relay may be faster than audit
        await gate.mail(*(f"{name}@x.example" for name in "abcdef"), mail=mail)
        await relay.events.append(delivered(mail, 1, "a@x.example"))
        await relay.events.append(delivered(mail, 1, "b@x.example", attempt=3))
        await relay.events.append(failed(MailBounced, mail, 1, "c@x.example"))
        await relay.events.append(failed(MailExpired, mail, 1, "d@x.example"))
        await relay.events.append(MailDropped(**about(mail, 1, recipients=("e@x.example",))))
        found = await when(client, accepted=6, delivered=2, bounced=1, expired=1, dropped=1, in_flight=1)
        assert found["unaccounted"] == []
        await relay.events.append(
            DeadLetterDropped(
                at=datetime.now(UTC), service="relay", stream="MAIL", sequence=1, mail=mail, recipients=("f@x.example",)
            )
        )
        await when(client, accepted=6, delivered=2, bounced=1, expired=1, dropped=2)


async def test_a_converted_mail_is_one_mail_and_copies_and_notifications_are_their_own_kinds(gate):
    async with gate.audit() as client, Bus.connect(gate.nats.settings(), "relay") as relay:
        mail = await gate.mail("a@x.example", kind="convert")
        original = (await gate.bus.mail.get(1)).record
        leaving = MailConverted(envelope=original.envelope, body=BodyReference(size=5), original=1)
        sequence = await gate.bus.mail.append("converted", leaving, b"hello")
        copy = await gate.mail("boss@x.example", kind="copy")
        await gate.mail("alice@acme.example", kind="dsn")
        await relay.events.append(delivered(mail, sequence, "a@x.example"))
        await relay.events.append(delivered(copy, 3, "boss@x.example"))
        found = await when(client, accepted=1, delivered=1)
        found = await eventually(lambda: _kinds(client))
        assert totals(found, "copy") == {"accepted": 1, "delivered": 1}
        assert totals(found, "dsn") == {"accepted": 1, "in_flight": 1}


async def _kinds(client):
    found = await balance(client)
    return found if totals(found, "copy").get("delivered") and totals(found, "dsn") else None


async def erase(gate, sequence):
    async with manager(gate.nats.settings()) as raw:
        assert await raw.jetstream().delete_msg("MAIL", sequence)


@pytest.mark.usefixtures("checked_at_once")
async def test_a_mail_that_vanishes_while_relay_is_stopped_is_named(gate):
    async with gate.audit() as client:
        kept = await gate.mail("a@x.example")
        lost = await gate.mail("b@x.example", "c@x.example")
        await when(client, accepted=3, in_flight=3)
        assert await metric(client, "varco_audit_unaccounted_recipients") == 0
        await erase(gate, 2)
        found = await when(client, accepted=3, in_flight=1, unaccounted=2)
        [one] = found["unaccounted"]
        assert (one["mail"], one["recipients"]) == (lost, ["b@x.example", "c@x.example"])
        assert one["why"] == "its record is gone from MAIL"
        assert kept not in {one["mail"] for one in found["unaccounted"]}

        async def shown():
            return await metric(client, "varco_audit_unaccounted_recipients") == 2

        await eventually(shown)


@pytest.mark.usefixtures("checked_at_once")
async def test_a_mail_that_its_owner_is_done_with_and_says_nothing_of_is_named(gate):
    holds = {1}

    async def needs(question):
        return RetentionAnswer(needed=tuple(one for one in question.sequences if one in holds))

    async with gate.audit() as client, Bus.connect(gate.nats.settings(), "relay") as relay:
        await retention.serve(relay, "relay", needs)
        mail = await gate.mail("a@x.example")
        await when(client, accepted=1, in_flight=1)
        holds.clear()
        found = await when(client, accepted=1, unaccounted=1)
        assert "relay is done with its record" in found["unaccounted"][0]["why"]
        await relay.events.append(delivered(mail, 1, "a@x.example"))
        assert (await when(client, accepted=1, delivered=1))["unaccounted"] == []


@pytest.mark.usefixtures("checked_at_once")
async def test_a_dead_letter_is_somebody_s_until_it_is_dropped(gate):
    async def needs(_):
        return RetentionAnswer(needed=())

    async with gate.audit() as client, Bus.connect(gate.nats.settings(), "relay") as relay:
        await retention.serve(relay, "relay", needs)
        await relay.admin.park("MAIL", 1, "no")
        await gate.mail("a@x.example")
        await when(client, accepted=1, in_flight=1)
        dropped = await client.delete("/deadletters/relay.MAIL.1", params={"reason": "a test"})
        assert dropped.status_code == 200
        await when(client, accepted=1, dropped=1)


async def test_the_balance_goes_on_where_it_ended_and_begins_anew_without_its_tables(gate):
    async with Bus.connect(gate.nats.settings(), "relay") as relay:
        async with gate.audit() as client:
            mail = await gate.mail("a@x.example", "b@x.example")
            await relay.events.append(delivered(mail, 1, "a@x.example"))
            await when(client, accepted=2, delivered=1, in_flight=1)
        await relay.events.append(delivered(mail, 1, "b@x.example"))
        async with gate.audit() as client:
            await when(client, accepted=2, delivered=2)
        for file in (gate.home / "data").glob("audit.sqlite*"):
            file.unlink()
        async with gate.audit() as client:
            await when(client, accepted=2, delivered=2)


async def test_an_account_sees_its_own_balance_alone(gate):
    async with gate.audit() as client, gate.client("beta") as beta:
        await gate.mail("a@x.example")
        await gate.mail("b@x.example", account="beta")
        await when(client, accepted=2, in_flight=2)
        assert {line["account"] for line in (await balance(beta))["lines"]} == {"beta"}
        assert (await beta.get("/balance", params={"account": "acme"})).status_code == 403
        tomorrow = "2100-01-01T00:00:00Z"
        assert (await balance(client, since=tomorrow))["lines"] == []


def test_an_outcome_of_an_unknown_mail_is_kept_once():
    counts = BalanceCounts({}, {})
    for _ in range(2):
        counts.apply(delivered("m", 1, "a@x.example"))
    assert (counts.early, counts.sums) == ({"m": {"a@x.example": "delivered"}}, {})
