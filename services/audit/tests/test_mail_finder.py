"""A mail is found by parts of whatever is known of it, and by its account's people alone."""

from datetime import UTC, datetime, timedelta

import pytest

from varco_common.base.ids import new_id
from varco_common.events import Failure, MailBounced, MailRefused
from varco_common.mail.ballot import Ballot
from varco_common.mail.envelope import Envelope
from varco_common.mail.replies import Reply
from varco_common.mime import Manifest, Part
from varco_common.testing.waiting import eventually


async def found(http, **query) -> list[str]:
    answer = await http.get("/mails", params=query)
    assert answer.status_code == 200, answer.text
    return [mail["mail"] for mail in answer.json()["mails"]]


async def refuse(gate, account: str = "acme") -> str:
    """A refused mail with a file."""
    mail = new_id()
    envelope = Envelope(
        id=mail,
        account=account,
        sender="eve@acme.example",
        recipients=("carl@z.example",),
        host="198.51.100.7",
        received_at=datetime.now(UTC),
        size=1,
    )
    part = Part(path="1", media_type="application/zip", start=0, end=1, size=1, names=("Fattura 12.exe",))
    ballot = Ballot(envelope=envelope, manifest=Manifest(subject="soldi", parts=(part,)))
    answer = "554 5.7.1 Attachment not allowed"
    await gate.bus.events.append(
        MailRefused(at=datetime.now(UTC), ballot=ballot, votes=(), reply=Reply.FORBIDDEN_ATTACHMENT, answer=answer)
    )
    return mail


@pytest.fixture
async def mails(gate):
    """Two mails: one is bounced, the other one refused."""
    bounced = await gate.mail("bob@x.example", subject="Quarterly figures", message_id="<77@pc.example>")
    failure = Failure(recipient="bob@x.example", status="5.1.1", answer="550 no such user here")
    await gate.bus.events.append(
        MailBounced(at=datetime.now(UTC), account="acme", mail=bounced, sequence=1, failures=(failure,), host="mx:25")
    )
    return bounced, await refuse(gate)


async def test_a_mail_is_found_by_parts_of_what_is_known(gate, mails):
    bounced, refused = mails
    async with gate.audit() as http:
        await eventually(lambda: _are(http, {bounced, refused}))
        for what in ("ob@x.ex", "figures QUARTERLY", "77@pc", "such user", "mx:25", bounced):
            assert await found(http, what=what) == [bounced], what
        for what in ("fattura exe", "198.51.100", "not allowed", "eve@", refused):
            assert await found(http, what=what) == [refused], what
        assert await found(http, what="no%one") == []


async def _are(http, mails: set[str]) -> bool:
    return {*await found(http)} == mails and bool(await found(http, outcome="bounced"))


async def test_filters_narrow_by_outcome_time_and_account(gate, mails):
    bounced, refused = mails
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    async with gate.audit() as http:
        await eventually(lambda: _are(http, {bounced, refused}))
        assert await found(http, outcome="bounced") == [bounced]
        assert await found(http, outcome="refused") == [refused]
        assert await found(http, outcome="accepted") == [bounced]
        assert await found(http, since=soon) == []
        assert len(await found(http, until=soon)) == 2
        assert await found(http, account="other") == []


async def test_an_account_finds_its_own_mails_alone(gate, mails):
    bounced, refused = mails
    other = await refuse(gate, "other")
    async with gate.audit() as http, gate.client("acme") as acme:
        await eventually(lambda: _are(http, {bounced, refused, other}))
        assert {*await found(acme)} == {bounced, refused}
        assert await found(acme, what=other) == []
        assert (await acme.get("/mails", params={"account": "other"})).status_code == 403


async def test_refusals_are_counted_by_reason_since_a_time(gate, mails):
    await refuse(gate, "other")
    now = datetime.now(UTC)
    async with gate.audit() as http, gate.client("acme") as acme:
        await eventually(lambda: _count(http, 3))

        async def counted(client, hours: int) -> dict[str, int]:
            return (await client.get("/refusals", params={"since": (now + timedelta(hours=hours)).isoformat()})).json()

        assert await counted(http, -1) == {"forbidden-attachment": 2}
        assert await counted(acme, -1) == {"forbidden-attachment": 1}
        assert await counted(http, 1) == {}
        assert (await acme.get("/refusals", params={"since": now.isoformat(), "account": "other"})).status_code == 403


@pytest.mark.parametrize("more", [{"limit": 3}, {"seconds": 0.000_001}, {"seconds": 60}])
async def test_pages_have_each_row_once(gate, more):
    sent = [await gate.mail(subject=f"number {number}") for number in range(7)]
    async with gate.audit() as http:
        await eventually(lambda: _count(http, 7))
        seen, cursor = [], 0
        while True:
            page = (await http.get("/mails", params={"cursor": cursor, **more})).json()
            seen += [mail["mail"] for mail in page["mails"]]
            if not (cursor := page["next"]):
                break
        assert seen == sent[::-1]


async def _count(http, number: int) -> bool:
    return len(await found(http)) == number
