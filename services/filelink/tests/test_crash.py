"""Whatever dies, a mail leaves once, with links that work."""

import asyncio
import hashlib
import re
import signal

import httpx
import pytest

from varco_common.events import AttachmentLinked, LinkRevoked
from varco_common.mail.record import BodyReference, MailAccepted
from varco_common.storage.object_store import LINKS
from varco_common.testing import running
from varco_common.testing.s3 import s3_server
from varco_common.testing.waiting import eventually

from . import layouts
from .conftest import Gate

SIZE = 20_000_000


@pytest.fixture(scope="module")
def heavy() -> bytes:
    content = hashlib.sha256(b"x").digest() * (SIZE // 32)
    return layouts.mail(layouts.multi("mixed", "m", layouts.text(), layouts.pdf(content=content)))


async def works(url: str) -> int:
    async with httpx.AsyncClient(timeout=60) as web:
        return len((await web.get(url)).content)


@pytest.mark.parametrize("moment", ["uploading", "linked", "left"])
async def test_killed_at_any_point_the_mail_leaves_once_with_links_that_work(gate, heavy, moment):
    await gate.account()
    process = gate.process()
    async with gate.client() as client:
        await running.ready(client)
        await gate.set_links(client)
        mail = await gate.accept(heavy, stored=True)
        if moment == "uploading":
            await eventually(lambda: uploads(gate))
        elif moment == "linked":
            await eventually(lambda: gate.events(AttachmentLinked))
        else:
            await eventually(lambda: gate.converted(mail))
        process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(process.wait)
        process = gate.process()
        try:
            await running.ready(client)
            left = await gate.converted_body(mail)
            await eventually(lambda: idle(gate))
        finally:
            [link] = await gate.events(AttachmentLinked)
            sizes = await works(url := gate.url(link))
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait) == 0
    assert len(await gate.converted(mail)) == 1
    assert re.findall(rb"/files/([0-9a-f]{40})", left.replace(b"=\r\n", b"")) == [
        url.rpartition("/")[2].partition(".")[0].encode()
    ]
    assert sizes == SIZE // 32 * 32


async def uploads(gate: Gate) -> bool:
    """Whether a part of the file is in the store."""
    return any((gate.home / "objects" / LINKS).glob(".*.new"))


async def idle(gate: Gate) -> bool:
    """Whether every mail to convert was acknowledged."""
    last = await gate.bus.mail.last_sequence("mail.convert.*")
    return await gate.bus.mail.acknowledged("filelink") >= last


async def test_a_mail_that_comes_again_is_not_sent_again(gate, filelink):
    """A bus that was killed forgets acknowledgements: the mail comes as if for the first time."""
    mail = await gate.accept(layouts.GMAIL)
    await gate.converted_body(mail)
    await gate.bus.mail.delete_consumer("filelink")
    await gate.nats.restart()  # filelink makes its consumer anew, which begins at the first mail
    ballot = gate.ballot(layouts.APPLE)
    await eventually(lambda: gate.bus.voting.collect(ballot, ["filelink"], 1))
    await gate.converted_body(await gate.take(ballot, ("2.2",), layouts.APPLE))
    await eventually(lambda: idle(gate))
    assert len(await gate.converted(mail)) == 1
    assert len(await gate.events(AttachmentLinked)) == 2


async def test_while_the_store_is_away_conversions_wait_and_downloads_are_503(nats, bus, tmp_path):
    async with s3_server() as store:
        gate = Gate(nats, bus, tmp_path, store)
        await gate.account()
        async with gate.filelink() as client, httpx.AsyncClient(timeout=60) as web:
            await gate.set_links(client)
            await gate.converted_body(await gate.accept(layouts.GMAIL))
            await gate.converted_body(await gate.accept(layouts.mail(layouts.pdf(content=bytes(20_000)))))
            other, link = (await client.get("/links")).json()["links"]
            await store.kill()
            answer = await web.get(link["url"])
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
            assert (await web.get(link["url"], headers={"Accept": "text/html"})).status_code == 200
            mail = await gate.accept(layouts.APPLE)
            assert (await gate.vote(gate.ballot(layouts.mail(layouts.text())))).reply.accepts
            assert (await client.post(f"/links/{other['link']}/revoke", json={"reason": "wrong"})).status_code == 503
            assert (await client.get(f"/links/{other['link']}")).json()["state"] == "ending"
            assert (await web.get(other["url"])).status_code == 410
            await store.start()
            await gate.converted_body(mail)
            assert await works(link["url"]) == len(layouts.PDF)
            [revoked] = await eventually(lambda: gate.events(LinkRevoked))
            assert (revoked.link, revoked.reason) == (other["link"], "wrong")
            assert not await gate.files.exists(revoked.gone)
        await gate.files.close()
        await gate.bodies.close()


async def test_a_mail_whose_body_isnt_what_its_manifest_says_leaves_as_it_came(gate, filelink):
    ballot = gate.ballot(layouts.GMAIL)
    broken = layouts.GMAIL.replace(b"000000000000f1", b"000000000000f2")
    broken = broken.replace(b"--000000000000f2", b"xx000000000000f2")
    mail = await gate.take(ballot, ("2",), broken)
    assert await gate.converted_body(mail) == broken
    assert await gate.events(AttachmentLinked) == []


async def test_a_mail_whose_body_is_gone_is_parked(gate, filelink):
    ballot = gate.ballot(layouts.GMAIL)
    where = BodyReference(size=len(layouts.GMAIL), object="never-stored")
    record = MailAccepted(envelope=ballot.envelope, manifest=ballot.manifest, votes=(), body=where, convert=("2",))
    await gate.bus.mail.append("convert", record, b"")
    await eventually(lambda: gate.bus.events.last_sequence("events.parked.record-parked.filelink"))
    assert await gate.converted(ballot.envelope.id) == []
