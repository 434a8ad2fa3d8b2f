"""Copies are asked for by days, and exported as an mbox that other programs read."""

import mailbox
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from varco_console.html_pages.copies.export import ExportedCopies, exported
from varco_console.html_pages.copies.mbox import mbox_entry
from varco_console.html_pages.copies.view import (
    CopiesQuestion,
    Export,
    copies_page,
    export_progress,
    found_copies,
    times,
)
from varco_console.service_apis import ApiFailure
from varco_console.web.access import SignInNeeded
from varco_console.web.job_state import JobState

from .conftest import send_form

NOW = datetime(2026, 11, 9, 12, 0, 5, tzinfo=UTC)
BOXES = [{"account": "acme", "login": "copies@acme.example"}, {"account": "other", "login": ""}]


async def pieces(*texts: bytes) -> AsyncIterator[bytes]:
    for text in texts:
        yield text


async def joined(given: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in given])


def test_both_days_are_included():
    asked = times(date(2026, 11, 1), date(2026, 11, 2))
    assert asked == {"since": "2026-11-01T00:00:00+00:00", "until": "2026-11-03T00:00:00+00:00"}
    assert times("", "") == {}


def test_only_an_account_with_a_mailbox_is_searched():
    assert copies_page(CopiesQuestion("acme"), BOXES, {"copies": [], "next": 7}, None).next == "account=acme&cursor=7"
    assert copies_page(CopiesQuestion("other"), BOXES, None, None).box is None
    view = copies_page(CopiesQuestion(), BOXES, None, None)
    assert (view.box, len(view.mailboxes)) == (None, 2)


def test_a_copy_with_many_recipients_is_one_line():
    copy = {"mail": "06a", "arrived": NOW.isoformat(), "size": 9, "sender": "", "subject": "x"}
    [line] = found_copies({"copies": [{**copy, "recipients": ["a@x.example", "b@x.example"]}]})
    assert (line.recipients, line.sender) == ("a@x.example +1", "<>")


@pytest.mark.parametrize(
    ("job", "shown"),
    [
        (JobState(), Export("running")),
        (JobState({"copies": 1, "of": 2}), Export("running", 1, 2)),
        (JobState({"copies": 2, "of": 2}, done=True), Export("done", 2, 2)),
        (JobState({"copies": 1, "of": 2}, failure="broken"), Export("failed", 1, 2, "broken")),
    ],
)
def test_an_export_says_how_far_it_is(job, shown):
    assert export_progress(job) == shown


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_any_pieces_of_mails_make_the_same_mbox(tmp_path: Path, size: int):
    mails = [b"Subject: one\r\n\r\nFrom here\r\n>From there\r\n", b"Subject: two\r\n\r\nno line end"]
    entries = [mbox_entry(NOW, pieces(*(mail[i : i + size] for i in range(0, len(mail), size)))) for mail in mails]
    file = tmp_path / "acme.mbox"
    file.write_bytes(b"".join([await joined(entry) for entry in entries]))
    assert file.read_bytes().startswith(b"From MAILER-DAEMON Mon Nov  9 12:00:05 2026\nSubject: one\n")
    with closing(mailbox.mbox(file)) as box:
        first, second = box
    assert first.get_payload() == ">From here\n>From there\n"
    assert (second["Subject"], second.get_payload()) == ("two", "no line end\n")


class Archive:
    """Answers for the API, one text for each mail in pages of two; None is gone meanwhile."""

    def __init__(self, texts: dict[str, bytes | None]) -> None:
        self.texts = texts

    async def get(self, service: str, path: str, *, cursor: int, **_: object) -> dict:
        assert (service, path) == ("archive", "/copies")
        copies = [{"mail": mail, "arrived": NOW.isoformat()} for mail in self.texts]
        return {"copies": copies[cursor : cursor + 2], "next": cursor + 2 if len(copies) > cursor + 2 else 0}

    async def chunks(self, service: str, path: str) -> AsyncIterator[bytes]:
        if (text := self.texts[path.removeprefix("/copies/")]) is None:
            raise ApiFailure(service, 404, "gone")
        yield text


async def test_a_copy_that_is_gone_leaves_no_trace_in_the_export():
    archive, states = Archive({"a": b"A: 1\n\nx\n", "b": None, "c": b"C: 3\n\nz\n"}), []
    text = await joined(exported(ExportedCopies(archive, "/copies", {}), 3, states.append, lambda: True))
    assert text.count(b"From MAILER-DAEMON") == 2
    assert states[0] == JobState({"copies": 0, "of": 3})
    assert states[-1] == JobState({"copies": 3, "of": 3}, done=True)


async def test_an_export_ends_with_the_session():
    states: list[JobState] = []
    copies = ExportedCopies(Archive({"a": b"A: 1\n\nx\n"}), "/copies", {})
    with pytest.raises(SignInNeeded):
        await joined(exported(copies, 1, states.append, lambda: False))
    assert states[-1].failure


async def test_an_export_needs_a_reason(console):
    await console.add_with_password("olga", "owner", "acme")
    async with console.signed_in("olga") as browser:
        for reason in ({}, {"reason": ""}, {"reason": "no"}):
            answer = await send_form(browser, "/me", "/accounts/acme/copies/export", **reason)
            assert answer.status_code == 422
        answer = await send_form(browser, "/me", "/accounts/acme/copies/export", reason="for the lawyer")
        assert answer.status_code == 503  # asked for, and archive does not run here
