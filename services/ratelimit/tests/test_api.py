"""The HTTP API: who may, what is refused, and that what goes out goes in again."""

import pytest

from varco_common.mail.replies import Reply
from varco_common.testing.waiting import eventually

from .conftest import ballot

SECTION = {
    "messages": {"limit": 500, "per": "1 day"},
    "bytes": {"limit": "1GB", "per": "calendar day"},
    "account": {"first_time_recipients": {"limit": 900, "per": "1 hour"}},
    "time_zone": "Europe/Rome",
    "answer": 550,
    "exceptions": [
        {
            "sender": "@lists.acme.example",
            "messages": "unlimited",
            "recipients": {"limit": 9, "per": "1 hour"},
            "until": "2030-01-01T00:00:00+00:00",
            "reason": "the lists",
        }
    ],
}


def token(gate, account="acme"):
    return gate.client(gate.signer.mint(account)[1])


async def test_a_section_is_shown_as_it_was_put_and_put_again_changes_nothing(gate):
    changed = await gate.quotas(**SECTION)
    lines = (
        "~ quotas messages: unlimited -> 500 messages per 1 day; bytes: unlimited -> 1GB per calendar day; "
        "account first_time_recipients: unlimited -> 900 first-time recipients per 1 hour; "
        "time zone: UTC -> Europe/Rome; answer: 450 -> 550\n"
        "+ quota exception @lists.acme.example messages: unlimited; recipients: 9 recipients per 1 hour"
        " until 2030-01-01T00:00:00+00:00"
    )
    assert "\n".join(change["line"] for change in changed["changes"]) == lines
    shown = await gate.done(gate.http.get("/accounts/acme/quotas"))
    assert shown["quotas"] == SECTION
    assert (await gate.quotas(**shown["quotas"]))["changes"] == []
    assert (await gate.quotas(**SECTION | {"exceptions": None}))["changes"] == []


async def test_off_takes_all_limits_away(gate):
    await gate.quotas(**SECTION)
    await gate.done(gate.http.put("/accounts/acme/quotas", json=False))
    assert (await gate.done(gate.http.get("/accounts/acme/quotas")))["quotas"] is None


async def test_a_dry_run_only_says(gate):
    answer = await gate.done(gate.http.put("/accounts/acme/quotas", json={"messages": 1}, params={"dry_run": True}))
    assert (answer["applied"], len(answer["changes"])) == (False, 1)
    assert (await gate.done(gate.http.get("/accounts/acme/quotas")))["quotas"] is None


async def test_a_version_that_is_not_the_newest_is_a_conflict(gate):
    version = (await gate.quotas(messages=2))["version"]
    headers = {"If-Match": f'"{version}"'}
    answers = [await gate.http.put("/accounts/acme/quotas", json={"messages": n}, headers=headers) for n in (3, 4)]
    assert [answer.status_code for answer in answers] == [200, 409]


@pytest.mark.parametrize(
    "section",
    [
        {"mesages": 5},
        {"messages": -1},
        {"messages": "lots"},
        {"messages": {"limit": 5, "per": "1 fortnight"}},
        {"time_zone": "Middle/Earth"},
        {"time_zone": "../etc/passwd"},
        {"answer": 250},
        {"exceptions": [{"sender": "a@b.example", "messages": 5}]},
        {"exceptions": [{"sender": "nobody", "messages": 5, "reason": "why not"}]},
        {"exceptions": [{"sender": "a@b.example", "reason": "why not"}]},
        {"exceptions": [{"sender": "a@b.example", "messages": 5, "until": "2020-01-01", "reason": "why not"}]},
    ],
)
async def test_what_cannot_be_understood_is_refused(gate, section):
    answer = await gate.http.put("/accounts/acme/quotas", json=section)
    assert answer.status_code == 422
    assert (await gate.done(gate.http.get("/accounts/acme/quotas")))["quotas"] is None


async def test_an_accounts_token_sees_its_own_alone_and_can_only_be_stricter(gate):
    await gate.quotas(messages=5)
    await gate.quotas(of="other", messages=5)
    await gate.send(ballot("alice@acme.example"))
    await gate.send(ballot("alice@acme.example", account="other"))
    await gate.counted(1)
    async with token(gate) as mine:
        assert [one["account"] for one in (await mine.get("/quotas/senders/alice@acme.example")).json()] == ["acme"]
        for path in ("/accounts/other/quotas", "/accounts/other/quotas/senders"):
            assert (await mine.get(path)).status_code == 403
        assert (await mine.get("/quotas/senders/a@b.example", params={"account": "other"})).status_code == 403
        assert (await mine.put("/accounts/other/quotas", json={"messages": 1})).status_code == 403
        assert (await mine.put("/accounts/acme/quotas", json={"messages": 6})).status_code == 403
        assert (await mine.put("/accounts/acme/quotas", json=False)).status_code == 403
        assert (await mine.put("/accounts/acme/quotas", json={"messages": 4, "recipients": 9})).status_code == 200
        reason = {"reason": "because"}
        form = {"messages": "unlimited"}
        path = "/accounts/acme/quotas"
        assert (await mine.put(f"{path}/exceptions/a@b.example", params=reason, json=form)).status_code == 403
        assert (await mine.post(f"{path}/resets", params=reason, json={})).status_code == 403
    async with gate.client("none") as nobody:
        assert (await nobody.get("/accounts/acme/quotas")).status_code == 401
    assert {one["account"] for one in (await gate.http.get("/quotas/senders/alice@acme.example")).json()} == {
        "acme",
        "other",
    }


async def test_an_exception_holds_at_once_and_until_it_is_removed(gate):
    await gate.quotas(messages=1)
    await gate.send(ballot())
    assert await gate.send(ballot()) is Reply.QUOTA_EXCEEDED
    path = "/accounts/acme/quotas/exceptions/Alice@acme.example"
    assert (await gate.http.put(path, json={"messages": 2})).status_code == 422  # no reason
    await gate.done(gate.http.put(path, json={"messages": 2}, params={"reason": "a good one"}))
    assert [await gate.send(ballot()) for _ in range(2)] == [Reply.ACCEPTED, Reply.QUOTA_EXCEEDED]
    await gate.done(gate.http.delete(path))
    assert (await gate.http.delete(path)).status_code == 404
    assert "1 message per" in (await gate.vote(ballot())).text


async def test_a_sender_is_shown_with_limits_times_and_mails(gate):
    await gate.quotas(messages=3, account={"recipients": 100})
    first, second = ballot(), ballot(size=2345)
    await gate.send(first)
    await gate.send(second)
    await gate.counted(2)
    shown = await gate.sender()
    assert [(one["of"], one["meter"], one["used"], one["limit"]) for one in shown["meters"]] == [
        ("alice@acme.example", "messages", 2, 3),
        ("account acme", "recipients", 2, 100),
    ]
    assert [(one["mail"], one["bytes"]) for one in shown["mails"]] == [
        (second.envelope.id, 2345),
        (first.envelope.id, 1000),
    ]
    [listed] = await gate.done(gate.http.get("/accounts/acme/quotas/senders"))
    assert (listed["sender"], listed["messages"], listed["full"]) == ("alice@acme.example", 2, 0.667)


async def test_an_end_beyond_the_calendar_is_the_callers_mistake(gate):
    await gate.quotas(time_zone="Europe/Rome")
    body = {"messages": 3, "until": "0001-01-01"}
    answer = await gate.http.put(
        "/accounts/acme/quotas/exceptions/a@acme.example", json=body, params={"reason": "a slip"}
    )
    assert answer.status_code == 422


async def test_who_sends_most_is_listed_by_messages_recipients_or_bytes(gate):
    await gate.send(ballot("many@acme.example", size=100))
    await gate.send(ballot("many@acme.example", size=100))
    await gate.send(ballot("heavy@acme.example", size=5_000))
    await gate.send(ballot("many@acme.example", account="other", size=1_000))

    async def counted() -> bool:
        answer = await gate.done(gate.http.get("/quotas/top"))
        return sum(entry["messages"] for entry in answer) == 4

    await eventually(counted)

    async def top(client, **query) -> list[tuple[str, str]]:
        answer = await gate.done(client.get("/quotas/top", params=query))
        return [(entry["account"], entry["sender"]) for entry in answer]

    assert (await top(gate.http))[0] == ("acme", "many@acme.example")
    assert (await top(gate.http, by="bytes"))[0] == ("acme", "heavy@acme.example")
    assert await top(gate.http, by="bytes", limit=2, per="1 hour") == [
        ("acme", "heavy@acme.example"),
        ("other", "many@acme.example"),
    ]
    assert await top(gate.http, account="nobody") == []
    assert (await gate.http.get("/quotas/top", params={"per": "2 days"})).status_code == 422
    assert (await gate.http.get("/quotas/top", params={"by": "nonsense"})).status_code == 422
    async with token(gate) as mine:
        assert {account for account, _ in await top(mine)} == {"acme"}
        assert (await mine.get("/quotas/top", params={"account": "other"})).status_code == 403


async def test_who_has_used_most_of_a_limit_is_listed_first(gate):
    await gate.quotas(messages={"limit": 4, "per": "1 day"})
    await gate.send(ballot("few@acme.example"))
    for _ in range(3):
        await gate.send(ballot("many@acme.example"))
    await gate.send(ballot("free@other.example", account="other"))

    async def fullest() -> bool:
        answer = await gate.done(gate.http.get("/quotas/fullest"))
        return [(entry["sender"], entry["full"]) for entry in answer] == [
            ("many@acme.example", 0.75),
            ("few@acme.example", 0.25),
        ]

    await eventually(fullest)
    async with token(gate) as mine:
        assert (await mine.get("/quotas/fullest", params={"account": "other"})).status_code == 403
