"""What mends a refusal is shown to those who may do it."""

import time
from datetime import UTC, date, datetime

import pytest

from varco_common.events import PersonRole
from varco_console.html_pages.find_mail.view import Question, found_mail
from varco_console.html_pages.mail.view import Fix, attachment_exception, fixes, quota_exception
from varco_console.model import Person
from varco_console.web.formula_marks import as_text


def person(role: PersonRole) -> Person:
    return Person(name="anna", role=role, account="" if role.sees_all else "acme", added_at=datetime.now(UTC))


REASON = "'plans.dwg' extension dwg is not allowed"


def story(reply: str, state: str = "refused") -> dict:
    return {
        "mail": "06eqkv3g8w3x5m7n2p4q",
        "ballot": {"sender": "eve@acme.example"},
        "session": {"host": "192.0.2.7"},
        "votes": [{"reply": "accepted", "reason": ""}, {"reply": reply, "reason": REASON}],
        "fates": [{"state": state}],
    }


@pytest.mark.parametrize(
    ("reply", "role", "expected"),
    [
        ("sender-not-authorised", PersonRole.OWNER, [Fix("sender", "eve@acme.example")]),
        ("sender-not-authorised", PersonRole.READER, []),
        ("sender-not-authorised", PersonRole.AUDITOR, []),
        ("quota-exceeded", PersonRole.OPERATOR, [Fix("quota", "eve@acme.example")]),
        ("quota-exceeded", PersonRole.OWNER, []),
        ("forbidden-attachment", PersonRole.OPERATOR, [Fix("attachment", "eve@acme.example", "dwg")]),
        ("forbidden-attachment", PersonRole.OWNER, []),
        ("host-banned", PersonRole.OWNER, [Fix("ban", "192.0.2.7")]),
        ("too-big", PersonRole.OPERATOR, []),
    ],
)
def test_a_refusal_is_mended_by_those_who_may(reply, role, expected):
    assert [*fixes(story(reply), person(role))] == expected


def test_a_mail_that_waits_can_be_tried_again():
    assert [fix.kind for fix in fixes(story("accepted", "deferred"), person(PersonRole.OWNER))] == ["retry"]
    assert not [*fixes(story("accepted", "delivered"), person(PersonRole.OWNER))]


def test_a_quota_is_raised_until_a_day_or_for_good():
    assert quota_exception(50, date(2026, 12, 24)) == {"messages": 50, "until": "2026-12-24"}
    assert quota_exception(50, "") == {"messages": 50}


def test_an_exception_adds_to_what_the_sender_may_attach_already():
    def entry(sender: str, attachments: object, *, ended: bool = False) -> dict:
        return {"sender": sender, "attachments": attachments, "ended": ended}

    exceptions = [
        entry("@acme.example", {"allow": ["exe"]}),
        entry("eve@acme.example", {"allow": ["zip"]}),
        entry("over@acme.example", {"allow": ["zip"]}, ended=True),
        entry("all@acme.example", "any"),
    ]
    body = attachment_exception(exceptions, "Eve@acme.example", " .DWG, dxf,", date(2026, 12, 24))
    assert body == {"attachments": {"allow": ["dwg", "dxf", "zip"]}, "until": "2026-12-25T00:00:00+00:00"}
    assert attachment_exception(exceptions, "over@acme.example", "dwg", "") == {"attachments": {"allow": ["dwg"]}}
    assert attachment_exception(exceptions, "all@acme.example", "dwg", "") == {"attachments": "any"}


def test_a_question_stands_in_the_address_of_the_page():
    now = datetime(2026, 11, 29, 12, tzinfo=UTC)
    question = Question("bob & co", outcome="refused", period="day")
    assert question.query(cursor=7) == "what=bob+%26+co&outcome=refused&period=day&cursor=7"
    assert question.parameters(now)["since"] == "2026-11-28T12:00:00+00:00"
    assert Question(outcome="nonsense").parameters(now)["outcome"] == ""


def test_a_mail_with_many_recipients_is_one_line():
    summary = {"recipients": ["a@x.example", "b@x.example"], "sender": "", "answer": "554 no\r\nnever"}
    line = found_mail(dict.fromkeys(("mail", "at", "account", "subject", "accepted"), "") | summary)
    assert (line.recipients, line.sender, line.answer) == ("a@x.example +1", "<>", "554 no")


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx"])
def test_no_cell_of_an_export_is_computed(cell):
    assert as_text(cell) == f"'{cell}"


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("x;=HYPERLINK(1)", "x;'=HYPERLINK(1)"),
        ('x; "=1+1;y', "x; \"'=1+1;y"),
        ("x\n@SUM(A1)", "x\n'@SUM(A1)"),
        ("=1;-1", "'=1;'-1"),
        ("a - b; c", "a - b; c"),
    ],
)
def test_no_part_of_a_cell_is_computed_where_lists_have_semicolons(cell, expected):
    assert as_text(cell) == expected


def test_a_long_gap_is_no_work():
    started = time.monotonic()
    assert as_text("\t" * 200_000 + "x").endswith("x")
    assert time.monotonic() - started < 30  # a search from each tab takes minutes
