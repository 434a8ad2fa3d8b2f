"""A link from its creation to its end; equal files, orphans, and the account's settings."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace

import httpx
import pytest

from varco_common.base.errors import TransientError
from varco_common.events import AttachmentLinked, LinkDownloaded, LinkExpired, LinkExtended, LinkRevoked
from varco_common.testing.waiting import eventually
from varco_filelink import link_sweeper
from varco_filelink.link_sweeper import LinkSweeper
from varco_filelink.model.link_state import DownloadRecord, LinkState, apply

from . import layouts

BROWSER = {"Accept": "text/html", "Accept-Language": "it"}


async def linked(gate, filelink, body: bytes = layouts.GMAIL, account: str = "acme") -> dict:
    """The link of one more mail."""
    mail = await gate.accept(body, account=account)
    await gate.converted_body(mail, account)
    [link] = (await filelink.get("/links", params={"mail": mail})).json()["links"]
    return link


async def status(url: str, headers: dict[str, str] | None = None) -> int:
    async with httpx.AsyncClient(timeout=60) as web:
        return (await web.get(url, headers=headers or {})).status_code


async def test_equal_files_of_an_account_are_stored_once_and_deleted_with_the_last_link(gate, filelink):
    first, second = await linked(gate, filelink), await linked(gate, filelink, layouts.THUNDERBIRD)
    events = await gate.events(AttachmentLinked)
    assert first["url"] != second["url"]
    assert {event.object for event in events} == {events[0].object}
    assert (await filelink.get("/links")).json()["stored"] == len(layouts.PDF)
    stored = await gate.files.keys(timedelta(seconds=-60))
    assert [key for key in stored if key.split("/")[1] in (first["mail"], second["mail"])] == [events[0].object]
    await filelink.post(f"/links/{first['link']}/revoke", json={"reason": "wrong person"})
    assert (await status(first["url"]), await status(second["url"])) == (410, 200)
    async with httpx.AsyncClient(timeout=60) as web:
        assert "Il file è stato revocato" in (await web.get(first["url"], headers=BROWSER)).text
    await filelink.post(f"/links/{second['link']}/revoke")
    assert not await gate.files.exists(events[0].object)
    assert [event.gone for event in await gate.events(LinkRevoked)] == ["", events[0].object]


async def test_links_are_found_by_a_part_of_the_files_name(gate, filelink):
    link = await linked(gate, filelink)
    for name, found in ((link["name"][1:5].upper(), [link["link"]]), ("no such file", [])):
        answer = await filelink.get("/links", params={"name": name})
        assert [each["link"] for each in answer.json()["links"]] == found


async def test_another_accounts_equal_file_is_its_own(gate, filelink):
    await gate.account("other")
    await gate.set_links(filelink, "other")
    await linked(gate, filelink)
    await linked(gate, filelink, account="other")
    assert len({event.object for event in await gate.events(AttachmentLinked)}) == 2


async def test_a_link_whose_time_is_over_loses_its_object_then_its_state(gate, filelink):
    await gate.set_links(filelink, keep="1 minute")
    link = await linked(gate, filelink)
    [event] = await gate.events(AttachmentLinked)
    past = datetime.now(UTC) - timedelta(seconds=1)
    await gate.bus.events.append(LinkExtended(at=past, account="acme", link=link["link"], expires_at=past))
    [expired] = await eventually(lambda: gate.events(LinkExpired))
    assert expired.gone == event.object
    assert not await gate.files.exists(event.object)
    assert await status(link["url"]) == 410
    assert await status(link["url"], BROWSER) == 410
    assert (await filelink.get(f"/links/{link['link']}")).json()["state"] == "expired"


async def test_a_link_can_be_extended_but_not_revived(gate, filelink):
    link = await linked(gate, filelink)
    path = f"/links/{link['link']}"
    longer = (await filelink.post(f"{path}/extend", json={"by": "30 days", "reason": "asked"})).json()
    before, after = (datetime.fromisoformat(state["expires_at"]) for state in (link, longer))
    assert after - before == timedelta(days=30)
    for wrong in ({}, {"by": "1 day", "until": "2030-01-01T00:00:00Z"}, {"until": "2020-01-01T00:00:00Z"}):
        assert (await filelink.post(f"{path}/extend", json=wrong)).status_code == 422
    await filelink.post(f"{path}/revoke")
    assert (await filelink.post(f"{path}/extend", json={"by": "1 day"})).status_code == 422


async def test_an_orphan_is_swept_and_a_linked_object_is_not(gate, filelink, monkeypatch):
    await linked(gate, filelink)
    [event] = await gate.events(AttachmentLinked)
    await gate.files.put("acme/lost/2", b"left behind by a crash")
    unfinished = gate.files.upload("acme/unfinished/2")
    await unfinished.write(bytes(9 * 1024 * 1024))

    async def caught_up() -> None:
        known.objects = {event.object}  # a link that another process has made

    monkeypatch.setattr(link_sweeper, "ORPHAN_AGE", timedelta(seconds=-60))
    known = SimpleNamespace(objects=set(), caught_up=caught_up)
    await LinkSweeper(known, gate.files).sweep()
    assert not await gate.files.exists("acme/lost/2")
    assert await gate.files.exists(event.object)
    with pytest.raises(TransientError):
        await unfinished.finish()


async def test_an_accounts_token_sees_and_ends_its_own_links_alone(gate, filelink):
    await gate.account("other")
    link = await linked(gate, filelink)
    async with gate.client("other") as other, gate.client("acme") as own:
        assert (await other.get("/links")).json()["links"] == []
        assert (await other.get("/links", params={"account": "acme"})).status_code == 403
        assert (await other.post(f"/links/{link['link']}/revoke")).status_code == 404
        assert (await other.put("/accounts/acme/filelink", json=False)).status_code == 403
        assert (await own.post(f"/links/{link['link']}/revoke")).json()["state"] == "revoked"


async def test_terms_are_shown_as_an_account_file_has_them(gate, filelink):
    path = "/accounts/acme/filelink"
    section = {"over": "10MB", "keep": "12 months", "base_url": "https://files.acme.example/"}
    dry = (await filelink.put(path, json=section, params={"dry_run": True})).json()
    done = (await filelink.put(path, json=section)).json()
    assert dry["changes"] == done["changes"]
    assert (dry["applied"], done["applied"]) == (False, True)
    shown = (await filelink.get(path)).json()["filelink"]
    assert shown == {"over": "10MB", "keep": "12 months", "base_url": "https://files.acme.example"}
    assert (await filelink.put(path, json=shown)).json()["changes"] == []
    assert (await filelink.put(path, json="off")).json()["changes"][0]["line"] == "- filelink off"
    assert (await filelink.get(path)).json()["filelink"] == "off"
    assert (await filelink.put(path, json=False)).json()["changes"] == []
    for wrong in ({"over": "1kB"}, {"base_url": "ftp://x"}, {"base_url": "https://x/?a"}, {"keep": "0s"}, {"odd": 1}):
        assert (await filelink.put(path, json=wrong)).status_code == 422
    assert (await filelink.put("/accounts/nobody/filelink", json={})).status_code == 404


async def test_settings_are_changed_only_for_the_version_that_was_seen(gate, filelink, web):
    """Two people apply a file at once: the slower one gets a conflict. Downloads don't count."""
    path, link = "/accounts/acme/filelink", await linked(gate, filelink)
    seen = (await filelink.put(path, json={"keep": "1 day"}, params={"dry_run": True})).json()["version"]
    assert (await filelink.get(path)).json()["version"] == seen
    await web.get(link["url"])  # an event of the account, but no change of its settings
    await eventually(lambda: gate.events(LinkDownloaded))
    if_match = {"If-Match": f'"{seen}"'}
    faster = await filelink.put(path, json={"keep": "2 days"}, headers=if_match)
    slower = await filelink.put(path, json={"keep": "3 days"}, headers=if_match)
    assert (faster.status_code, slower.status_code) == (200, 409)
    shown = (await filelink.get(path)).json()
    assert (shown["filelink"]["keep"], shown["version"]) == ("2 days", faster.json()["version"])


async def test_of_two_changes_at_once_each_is_decided_on_the_other(gate, filelink):
    """The second one is a change of the first one's settings, not of those before it."""
    path = "/accounts/acme/filelink"
    answers = await asyncio.gather(*(filelink.put(path, json={"keep": f"{days} days"}) for days in range(2, 12)))
    lines = [answer.json()["changes"][0]["detail"] for answer in sorted(answers, key=lambda a: a.json()["version"])]
    assert {answer.status_code for answer in answers} == {200}
    for before, after in pairwise(lines):
        assert after.split(" -> ")[0] == before.split(" -> ")[1]


def test_what_comes_after_a_links_end_changes_nothing():
    at = datetime(2026, 11, 24, tzinfo=UTC)
    made = AttachmentLinked(
        at=at,
        account="acme",
        mail="m",
        part="2",
        link="a" * 40,
        url="u",
        object="o",
        name="n",
        size=1,
        sha256="s",
        domain="d",
        expires_at=at + timedelta(days=1),
    )
    link = apply(None, made)
    assert link is not None
    assert apply(link, made) == link
    ended = apply(link, LinkRevoked(at=at, account="acme", link="a" * 40))
    assert ended is not None
    assert ended.state is LinkState.REVOKED
    for late in (
        LinkExpired(at=at, account="acme", link="a" * 40),
        LinkExtended(at=at, account="acme", link="a" * 40, expires_at=at + timedelta(days=9)),
    ):
        assert apply(ended, late) == ended
    assert DownloadRecord(at=at, host="h", sent=1, complete=True) not in ended.recent
