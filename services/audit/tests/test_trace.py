"""A trace is whole, in order, found by whatever is known, and shown to its account only."""

from datetime import UTC, datetime, timedelta

import pytest

from varco_common.base.ids import new_id
from varco_common.events import (
    AttachmentLinked,
    Colour,
    CopyForwarded,
    Failure,
    LinkDownloaded,
    MailBounced,
    MailDeferred,
    MailDelivered,
    MailHeld,
    MailRefused,
    RecipientRefused,
    ReputationChanged,
    ReputationFinding,
    RouteFailed,
    RouteRecovered,
    SenderNotified,
)
from varco_common.mail.ballot import Ballot, Vote, accept
from varco_common.mail.envelope import Envelope
from varco_common.mail.replies import Reply
from varco_common.mime import Manifest
from varco_common.testing.waiting import eventually

LINK = "ab" * 20


def now() -> datetime:
    return datetime.now(UTC)


async def trace_of(gate, http, what: str, steps: int, **more) -> dict:
    """The trace, once it has that many steps."""

    async def there():
        answer = await http.get(f"/traces/{what}", **more)
        found = answer.json() if answer.status_code == 200 else {}
        return found if found.get("story") and len(found["story"]["steps"]) >= steps else None

    return await eventually(there)


async def test_a_deferred_bounced_copied_and_linked_mail_tells_everything(gate):
    limit = Vote(voter="ratelimit", reply=Reply.ACCEPTED, sequence=7, figures={"messages": 12})
    mail = await gate.mail(
        "Bob@x.example",
        "ann@y.example",
        message_id="<1@acme.example>",
        votes=(accept("policy", 7), limit),
        login="alice@acme.example",
        tls="TLSv1.3",
        helo="pc7",
        listener="submission",
    )
    of = {"account": "acme", "mail": mail, "sequence": 1}
    failure = Failure(recipient="ann@y.example", status="4.2.0", answer="450 later")
    dsn, copy = new_id(), new_id()
    for event in (
        AttachmentLinked(
            at=now(),
            account="acme",
            mail=mail,
            part="2",
            link=LINK,
            url="https://files/x",
            object="o",
            name="big.pdf",
            size=43_960_000,
            sha256="0" * 64,
            domain="acme.example",
            expires_at=now() + timedelta(days=365),
        ),
        MailDelivered(at=now(), **of, recipients=("Bob@x.example",), host="mx:25", answer="250 ok", tls="TLSv1.3"),
        MailDeferred(
            at=now(),
            **of,
            failures=(failure,),
            host="mx:25",
            sender="a",
            size=1,
            accepted_at=now(),
            next_at=now() + timedelta(minutes=5),
        ),
        MailBounced(at=now(), **of, failures=(failure,), host="mx:25", sender="a", dsn=dsn, attempt=2),
        SenderNotified(at=now(), **of, dsn=dsn),
        CopyForwarded(at=now(), account="acme", mail=mail, copy=copy, address="boss@acme.example"),
        LinkDownloaded(at=now(), account="acme", link=LINK, host="198.51.100.1", sent=43_960_000, complete=True),
    ):
        await gate.bus.events.append(event)
    await gate.mail("alice@acme.example", mail=dsn, kind="dsn", sender="")
    await gate.mail("boss@acme.example", mail=copy, kind="copy", sender="")
    for other in (dsn, copy):
        ended = {"account": "acme", "mail": other, "sequence": 1, "host": "mx:25", "answer": "250 ok"}
        await gate.bus.events.append(MailDelivered(at=now(), recipients=("somebody@acme.example",), **ended))
    async with gate.audit() as http:
        found = await trace_of(gate, http, mail, 12)
        story = found["story"]
        assert found["asked"] == "mail"
        assert [step["fact"] for step in story["steps"]] == [
            "mail-recorded",
            "attachment-linked",
            "mail-delivered",
            "mail-deferred",
            "mail-bounced",
            "sender-notified",
            "copy-forwarded",
            "link-downloaded",
            "mail-recorded",
            "mail-recorded",
            "mail-delivered",
            "mail-delivered",
        ]
        assert [(fate["recipient"], fate["state"], fate["attempts"]) for fate in story["fates"]] == [
            ("Bob@x.example", "delivered", 1),
            ("ann@y.example", "bounced", 2),
        ]
        assert story["session"] == {
            "host": "192.0.2.1",
            "helo": "pc7",
            "login": "alice@acme.example",
            "tls": "TLSv1.3",
            "listener": "submission",
        }
        assert [(vote["voter"], vote["sequence"], vote["figures"]) for vote in story["votes"]] == [
            ("policy", 7, {}),
            ("ratelimit", 7, {"messages": 12}),
        ]
        texts = [step["what"] for step in story["steps"]]
        assert texts[-2:] == [
            "the notification: somebody@acme.example: delivered to mx:25",
            "the copy: somebody@acme.example: delivered to mx:25",
        ]
        for known in (
            dsn,
            copy,
            f"<{mail}@gate.test>",
            "<1@acme.example>",
            "1@acme.example",
            "BOB@x.example",
            mail.upper(),
        ):
            assert (await http.get(f"/traces/{known}")).json()["story"] == story, known
        async with gate.client("corp") as corp:
            for known in (mail, dsn, "1@acme.example", "bob@x.example"):
                assert (await corp.get(f"/traces/{known}")).status_code == 404


async def test_a_bounced_mail_tells_the_reputation_at_that_moment(gate):
    red = ReputationFinding(check="SPF", colour=Colour.RED, text="acme.example has no SPF record")
    green = ReputationFinding(check="SPF", colour=Colour.GREEN, text="covers 192.0.2.7")

    def changed(domain: str, finding: ReputationFinding) -> ReputationChanged:
        before, after, findings = Colour.UNKNOWN, finding.colour, (finding,)
        return ReputationChanged(at=now(), account="acme", domain=domain, before=before, after=after, findings=findings)

    mail = await gate.mail("bob@x.example")
    failure = Failure(recipient="bob@x.example", status="5.7.26", answer="550 unauthenticated")
    bounced = MailBounced(
        at=now() + timedelta(seconds=1), account="acme", mail=mail, sequence=1, failures=(failure,), host="mx:25"
    )
    for event in (changed("acme.example", green), changed("acme.example", red), changed("other.example", green)):
        await gate.bus.events.append(event)
    await gate.bus.events.append(bounced)
    async with gate.audit() as http:
        story = (await trace_of(gate, http, mail, 3))["story"]
    told = [step for step in story["steps"] if "reputation" in step["what"]]
    assert [(step["what"], step["details"]) for step in told] == [
        ("the reputation of acme.example is red since then", ["SPF: acme.example has no SPF record"])
    ]


async def test_a_waiting_mail_tells_that_its_route_is_down_and_why(gate):
    """For as long as both is so: whether the mail was tried before or not."""
    mail = await gate.mail("bob@x.example", "ann@x.example")
    of, why = {"account": "acme", "mail": mail, "sequence": 1}, "can't connect to mx:25: connection refused"
    await gate.bus.events.append(RouteFailed(at=now(), account="other", host="mx:25", why="another account's"))
    await gate.bus.events.append(RouteFailed(at=now(), account="acme", host="mx:25", why=why))
    async with gate.audit() as http:
        steps = (await trace_of(gate, http, mail, 2))["story"]["steps"]
        (down,) = [step for step in steps if step["fact"] == "route-failed"]
        assert (down["what"], down["details"]) == (
            "the account's route is down, so its mail waits: mx:25",
            [f"“{why}”"],
        )
        assert down["tone"] == "waits"
        own = Failure(recipient="bob@x.example", status="5.4.6", answer="554 5.4.6 a loop", by_gate=True)
        await gate.bus.events.append(MailBounced(at=now(), host="", failures=(own,), dsn=new_id(), **of))
        steps = (await trace_of(gate, http, mail, 3))["story"]["steps"]
        (refused,) = [step for step in steps if step["fact"] == "mail-bounced"]
        assert refused["what"] == "refused for good by the gate"
        assert "bob@x.example: the gate itself: “554 5.4.6 a loop”" in refused["details"]
        await gate.bus.events.append(RouteRecovered(at=now(), account="acme", host="mx:25"))
        await gate.bus.events.append(MailHeld(at=now(), by="admin", **of))
        assert await eventually(lambda: not_down(http, mail))


async def not_down(http, mail: str) -> bool:
    steps = (await http.get(f"/traces/{mail}")).json()["story"]["steps"]
    facts = [step["fact"] for step in steps]
    return "mail-held" in facts and "route-failed" not in facts


async def test_a_refused_mail_tells_who_objected_and_why(gate):
    envelope = Envelope(
        id=new_id(),
        account="acme",
        sender="eve@acme.example",
        recipients=("bob@x.example",),
        host="::1",
        received_at=now(),
    )
    no = Vote(voter="policy", reply=Reply.FORBIDDEN_ATTACHMENT, reason="esempio.zip", sequence=3)
    refused = MailRefused(
        at=now(),
        ballot=Ballot(envelope=envelope, manifest=Manifest()),
        votes=(no, accept("ratelimit")),
        reply=no.reply,
        answer="554 5.7.1 L'allegato",
    )
    await gate.bus.events.append(refused)
    async with gate.audit() as http:
        story = (await trace_of(gate, http, envelope.id, 1))["story"]
    assert not story["ballot"]["accepted"]
    assert story["votes"][0]["reason"] == "esempio.zip"
    assert story["fates"][0] | {"at": None} == {
        "recipient": "bob@x.example",
        "state": "refused",
        "at": None,
        "attempts": 0,
        "host": "",
        "answer": "554 5.7.1 L'allegato",
    }


async def test_a_mail_that_was_kept_for_some_recipients_is_no_refused_one(gate):
    mail = new_id()
    refused = RecipientRefused(
        at=now() - timedelta(seconds=1),  # records have milliseconds alone
        account="acme",
        mail=mail,
        sender="alice@acme.example",
        recipient="eve@x.example",
        host="::1",
        reply=Reply.TOO_MANY_RECIPIENTS,
        answer="452 4.5.3 Too many recipients",
    )
    await gate.bus.events.append(refused)
    await gate.mail("bob@x.example", mail=mail)
    delivered = MailDelivered(
        at=now(), account="acme", mail=mail, sequence=1, recipients=("bob@x.example",), host="mx:25", answer="250 ok"
    )
    await gate.bus.events.append(delivered)
    async with gate.audit() as http:
        for recipient in ("bob@x.example", "eve@x.example"):
            story = (await trace_of(gate, http, recipient, 3))["story"]
            assert (story["ballot"]["accepted"], story["ballot"]["answer"][:3]) == (True, "250")
            assert {fate["recipient"]: fate["state"] for fate in story["fates"]} == {
                "bob@x.example": "delivered",
                "eve@x.example": "refused",
            }
        assert story["steps"][0]["what"] == "recipient eve@x.example refused; the mail may go on with the others"


async def test_who_has_several_mails_is_asked_which(gate):
    mails = [await gate.mail("bob@x.example", kind=kind) for kind in ("accepted", "convert", "accepted")]
    async with gate.audit() as http:

        async def listed():
            answer = await http.get("/traces/bob@x.example")
            return answer.json() if len(answer.json().get("mails", [])) == 3 else None

        found = await eventually(listed)
        assert found["story"] is None
        assert [mail["mail"] for mail in found["mails"]] == mails[::-1]
        assert (await http.get("/traces/alice@acme.example")).json()["asked"] == "sender"


@pytest.mark.parametrize("unknown", ["0" * 20, "nobody@x.example", "a/b", "%00", "", "<>", "%20"])
async def test_what_nobody_knows_is_not_found(gate, unknown):
    await gate.mail("bob@x.example")
    async with gate.audit() as http:
        assert (await http.get(f"/traces/{unknown}")).status_code == 404


async def test_a_mail_is_found_by_words_of_its_subject(gate):
    mail = await gate.mail(subject="The Quarterly Figures of Acme 100%", own_message_id="<1@gate.example>")
    other = await gate.mail(subject="quarterly\0 report", account="other", sender="eve@other.example")
    async with gate.audit() as http:
        story = (await trace_of(gate, http, "figures%20quarterly", 1))["story"]
        assert (story["mail"], story["ballot"]["message_id"]) == (mail, "<1@gate.example>")

        async def both():
            answer = (await http.get("/traces/QUARTERLY")).json()
            return answer if {entry["mail"] for entry in answer.get("mails", ())} == {mail, other} else None

        answer = await eventually(both)
        assert (answer["asked"], answer["story"]) == ("subject", None)
        assert [entry["mail"] for entry in answer["mails"]] == [other, mail]
        assert (await http.get("/traces/100%25")).json()["story"]["mail"] == mail
        for words in ("quarterly%20nonsense", "_uarterly", "%25%25"):
            assert (await http.get(f"/traces/{words}")).status_code == 404
    async with gate.audit() as _, gate.client("acme") as client:
        assert (await client.get("/traces/quarterly")).json()["story"]["mail"] == mail
        assert (await client.get("/traces/report")).status_code == 404
