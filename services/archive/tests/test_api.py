"""The HTTP API: versions and conflicts, what is refused, and who sees what."""

import asyncio
import poplib
from datetime import UTC, datetime

import pytest

from varco_common.events import CopyExported, MailboxOpened, SenderAuthorised, SenderWithdrawn
from varco_common.runtime.token_signer import TokenSigner
from varco_common.testing import running

from .conftest import LOGIN, PASSWORD, SECTION, copies, count, switch_on

PATH = "/accounts/acme/archive"


async def test_settings_are_changed_only_for_the_version_that_was_seen(gate):
    async with gate.archive() as http:
        await switch_on(http)
        seen = (await http.get(PATH)).json()["version"]
        await gate.mail()
        await copies(http, 1)  # a copy is no change of settings
        dry = (await http.put(PATH, json=SECTION | {"keep": "2 days"}, params={"dry_run": True})).json()
        assert (dry["applied"], dry["version"]) == (False, seen)
        if_match = {"If-Match": f'"{dry["version"]}"'}
        faster = await http.put(PATH, json=SECTION | {"keep": "3 days"}, headers=if_match)
        slower = await http.put(PATH, json=SECTION | {"keep": "4 days"}, headers=if_match)
        assert (faster.status_code, slower.status_code) == (200, 409)
        shown = (await http.get(PATH)).json()
        assert (shown["archive"]["keep"], shown["version"]) == ("3 days", faster.json()["version"])
        assert (await http.put(PATH, json=SECTION, headers={"If-Match": "yesterday"})).status_code == 422
        assert (await http.put(PATH, json=SECTION, headers={"If-Match": "*"})).status_code == 200


async def test_a_dry_run_changes_nothing(gate):
    async with gate.archive() as http:
        answer = (await http.put(PATH, json=SECTION, params={"dry_run": True})).json()
        assert [change["key"] for change in answer["changes"]] == ["senders_told", "pop3"]
        assert (await http.get(PATH)).json() == {"account": "acme", "archive": None, "told": None, "version": 0}


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ({"keep": "8 days"}, "stream MAIL itself keeps mail for 1 week"),
        ({"keep": "1 minute"}, "at least 1 hour"),
        ({"pop3": {"login": "two words", "password": PASSWORD}}, "is no login"),
        ({"pop3": {"login": LOGIN, "password": "short"}}, "at least 8"),
        ({"pop3": {"login": LOGIN, "password_hash": "$1$abc"}}, "not an argon2 hash"),
        ({"pop3": {"login": LOGIN, "password": PASSWORD, "password_hash": "$argon2id$"}}, "not both"),
        ({"pop3": ""}, "pop3"),
        ({"pop3": []}, "pop3"),
        ({"forward": "boss"}, "is no mail address"),
        ({"forward": ""}, "is no mail address"),
        ({"forward": []}, "forward"),
        ({"forward": {"to": "boss@acme.example", "format": "plain"}}, "did you mean form?"),
        ({"forward": {"to": "boss@acme.example", "x": "y"}}, "expected one of form, return_path, to"),
        ({"kept": "1 day"}, "did you mean keep?"),
    ],
)
async def test_a_section_that_is_wrong_is_refused_and_changes_nothing(gate, section, complaint):
    async with gate.archive() as http:
        answer = await http.put(PATH, json=SECTION | section)
        assert answer.status_code == 422
        assert complaint in answer.text
        assert (await http.get(PATH)).json()["archive"] is None


async def test_an_account_sends_copies_as_one_of_its_own_senders_and_an_operator_as_any(gate):
    copies_to = {"to": "boss@acme.example", "return_path": "news@other.example"}
    async with gate.archive() as admin, gate.client("acme") as http:
        refused = await http.put(PATH, json=SECTION | {"forward": copies_to})
        assert refused.status_code == 422
        assert "news@other.example is no sender of this account" in refused.text
        own = SECTION | {"forward": copies_to | {"return_path": "Bounces@acme.example"}}
        assert (await http.put(PATH, json=own)).status_code == 422
        await gate.bus.events.append(SenderAuthorised(at=datetime.now(UTC), account="acme", pattern="@acme.example"))
        assert (await http.put(PATH, json=own)).status_code == 200
        await gate.bus.events.append(SenderWithdrawn(at=datetime.now(UTC), account="acme", pattern="@acme.example"))
        assert (await http.put(PATH, json=own)).json()["changes"] == [], "what is set stays"
        other = SECTION | {"forward": copies_to | {"return_path": "x@acme.example"}}
        assert (await http.put(PATH, json=other)).status_code == 422
        assert (await admin.put(PATH, json=SECTION | {"forward": copies_to})).status_code == 200


async def test_a_password_and_its_hash_lead_to_the_same_mailbox_and_are_never_shown(gate):
    async with gate.archive() as http:
        await switch_on(http)
        again = await http.put(PATH, json=SECTION)
        assert again.json()["changes"] == [], "the same password keeps its hash"
        (event,) = await gate.events(MailboxOpened.subject_filter())
        assert event.hash.startswith("$argon2id$")
        await http.put(PATH, json=False)
        imported = SECTION | {"pop3": {"login": LOGIN, "password_hash": event.hash}}
        answer = await http.put(PATH, json=imported)
        assert answer.status_code == 200

        def login() -> int:
            with gate.pop() as box:
                return box.stat()[0]

        assert await asyncio.to_thread(login) == 0
        for text in (answer.text, (await http.get(PATH)).text, (await http.get("/archive")).text):
            assert PASSWORD not in text
            assert "$argon2id$" not in text


async def test_a_login_belongs_to_one_account_until_its_mailbox_is_closed(gate):
    async with gate.archive() as http:
        await switch_on(http)
        taken = await http.put("/accounts/other/archive", json=SECTION)
        assert taken.status_code == 422
        assert "another account's mailbox" in taken.text
        await http.put(PATH, json={})
        await switch_on(http, "other")


async def test_an_account_sees_and_changes_itself_only(gate):
    async with gate.archive() as http:
        await switch_on(http)
        await switch_on(http, "other", forward="boss@other.example", senders_told="HR")
        assert [status["account"] for status in (await http.get("/archive")).json()] == ["acme", "other"]
        async with gate.client("other") as other:
            assert [status["account"] for status in (await other.get("/archive")).json()] == ["other"]
            for method, path in (
                ("GET", PATH),
                ("PUT", PATH),
                ("GET", f"{PATH}/status"),
                ("GET", f"{PATH}/copies"),
                ("POST", f"{PATH}/export"),
                ("DELETE", f"{PATH}/copies/{'0' * 20}?reason=because"),
            ):
                assert (await other.request(method, path)).status_code == 403, path


async def test_the_status_tells_what_is_in_the_mailbox_and_who_has_it_open(gate):
    async with gate.archive() as http:
        await switch_on(http, **SECTION | {"forward": "boss@acme.example"})
        empty = (await http.get(f"{PATH}/status")).json()
        assert (empty["copies"], empty["octets"], empty["oldest"]) == (0, 0, None)
        assert (empty["login"], empty["forward"], empty["keep"]) == (LOGIN, "boss@acme.example (plain)", "1 week")
        mail = await gate.mail()
        await copies(http, 1)
        text = (await http.get(f"{PATH}/copies/{mail}")).content

        def octets() -> int:
            with gate.pop() as box:
                return box.stat()[1]

        in_mailbox = await asyncio.to_thread(octets)
        status = (await http.get(f"{PATH}/status")).json()
        assert status["octets"] == in_mailbox == len(text), "without the dot that is doubled on the wire"
        assert status["oldest"]


async def test_a_copy_is_not_removed_while_a_client_counts_on_its_number(gate):
    async with gate.archive() as http:
        await switch_on(http)
        mail = await gate.mail()
        await copies(http, 1)
        path = f"{PATH}/copies/{mail}?reason=asked for"
        loop = asyncio.get_running_loop()

        def session() -> int:
            with gate.pop() as box:
                answer = asyncio.run_coroutine_threadsafe(http.delete(path), loop).result(20)
                status = asyncio.run_coroutine_threadsafe(http.get(f"{PATH}/status"), loop).result(20)
                assert status.json()["in_session"]
                box.quit()
            return answer.status_code

        assert await asyncio.to_thread(session) == 409
        assert (await http.delete(path)).status_code == 204
        assert (await http.delete(path)).status_code == 404
        assert await count(http) == 0


async def test_pages_of_copies_follow_each_other(gate):
    async with gate.archive() as http:
        await switch_on(http)
        mails = [await gate.mail() for _ in range(5)]
        await copies(http, 5)
        seen, cursor = [], 0
        while True:
            page = (await http.get(f"{PATH}/copies", params={"limit": 2, "cursor": cursor})).json()
            seen += [copy["mail"] for copy in page["copies"]]
            if not (cursor := page["next"]):
                break
        assert seen == mails


async def test_an_export_is_on_record_with_its_reason_and_its_time(gate):
    async with gate.archive() as http:
        times = {"since": "2026-11-01T00:00:00", "until": "2026-11-02T00:00:00+01:00"}
        assert (await http.post(f"{PATH}/export", params=times | {"reason": "case 7"})).status_code == 204
        assert (await http.post(f"{PATH}/export")).status_code == 204
        first, empty = await gate.events(CopyExported.subject_filter())
        assert (first.reason, first.since.isoformat()) == ("case 7", "2026-11-01T00:00:00+00:00")
        assert first.until.timestamp() == 1793574000.0
        assert empty.since == empty.until
        assert empty.by.startswith("token:")


async def test_an_export_of_all_is_on_record_from_the_oldest_copy_on(gate):
    async with gate.archive() as http:
        await switch_on(http)
        await gate.mail()
        await copies(http, 1)
        (oldest,) = (await http.get(f"{PATH}/copies")).json()["copies"]
        assert (await http.post(f"{PATH}/export")).status_code == 204
        assert (await http.post(f"{PATH}/export", params={"until": "2020-01-01T00:00:00Z"})).status_code == 204
        whole, none = await gate.events(CopyExported.subject_filter())
        assert whole.since == datetime.fromisoformat(oldest["arrived"])
        assert whole.since < whole.until
        assert none.since == none.until


async def test_a_token_for_reading_alone_lists_copies_and_gets_no_text(gate):
    async with gate.archive() as http:
        await switch_on(http)
        mail = await gate.mail()
        await copies(http, 1)
        _, text = TokenSigner(running.KEY.encode()).mint_limited("admin", read_only=True, person="auditor")
        reader = {"Authorization": f"Bearer {text}"}
        assert [one["mail"] for one in (await http.get(f"{PATH}/copies", headers=reader)).json()["copies"]] == [mail]
        refused = await http.get(f"{PATH}/copies/{mail}", headers=reader)
        assert (refused.status_code, "reading alone" in refused.text) == (403, True)
        assert (await http.get(f"{PATH}/copies/{mail}")).status_code == 200


async def test_a_copy_that_was_never_made_is_not_found(gate):
    async with gate.archive() as http:
        await switch_on(http)
        assert (await http.get(f"{PATH}/copies/{'0' * 20}")).status_code == 404
        assert (await http.get(f"{PATH}/copies/nonsense")).status_code == 422


@pytest.mark.parametrize("empty", ["", []])
async def test_an_empty_text_or_list_closes_no_mailbox(gate, empty):
    async with gate.archive() as http:
        await switch_on(http)
        answers = [await http.put(PATH, json=empty), await http.patch(PATH, json={"pop3": empty})]
        assert [answer.status_code for answer in answers] == [422, 422]
        assert (await http.get(PATH)).json()["archive"]["pop3"] == {"login": LOGIN}


async def test_a_closed_mailbox_takes_no_login(gate):
    async with gate.archive() as http:
        await switch_on(http)
        await http.put(PATH, json="off")

        def login() -> None:
            with gate.pop():
                pass

        with pytest.raises(poplib.error_proto, match="wrong login or password"):
            await asyncio.to_thread(login)
