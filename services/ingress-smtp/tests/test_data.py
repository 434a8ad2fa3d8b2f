"""DATA: the only end is CRLF.CRLF, however the bytes are cut; limits hold while reading."""

import asyncio
import itertools
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from varco_common.events import MailRefused
from varco_common.mail.account_texts import AccountTexts
from varco_common.mail.notice_texts import Language, Notice
from varco_common.mail.replies import Reply
from varco_common.testing.smtp import TEXT
from varco_ingress_smtp import pipeline
from varco_ingress_smtp.smtp import body_reader
from varco_ingress_smtp.smtp.body_reader import BodyReader
from varco_ingress_smtp.smtp.line_endings import LineEndNormaliser, LineLengthCheck, has_bare_line_end
from varco_ingress_smtp.smtp.line_reader import LineReader
from varco_ingress_smtp.spool import MemoryBudget, Spool

INNER = b"MAIL FROM:<alice@acme.example>\r\nRCPT TO:<victim@r.example>\r\nDATA\r\nFrom: ceo@acme.example\r\n\r\npay\r\n"


@pytest.mark.parametrize(
    "end",
    [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n.\r", b"\r\n\x00.\r\n", b"\r\r\n.\r\r\n"],
)
async def test_no_other_end_of_data_lets_a_second_mail_in(world, client, end):
    await client.envelope()
    answer = await client.data(TEXT + b"x" + end + INNER)
    assert len(await world.records()) <= 1, "the inner one is text"
    if b"\x00" in end:
        assert answer.startswith("250 ")
    else:
        assert answer.startswith("550 5.6.11 ")
        assert await world.records() == []
    assert (await client.say("NOOP")).startswith("250 ")


async def test_a_stuffed_end_mark_is_text(world, client):
    assert (await client.mail(TEXT + b"..\r\nmore\r\n")).startswith("250 ")
    assert (await world.records())[0].body.endswith(b"\r\n..\r\nmore\r\n")


async def test_normalise_mends_bare_line_ends_and_makes_none_an_end(world, client):
    grant = world.policy.networks["127.0.0.1"]
    world.policy.networks["127.0.0.1"] = msgspec.structs.replace(grant, normalise=True)
    sent = b"From: scanner@acme.example\nSubject: scan\r\n\nfirst\rsecond\n.\nthird\n.\r\nfourth\r\n.\nfifth\n..stuffed\r\n"
    assert (await client.mail(sent)).startswith("250 ")
    (stored,) = await world.records()
    assert stored.body.endswith(
        b"\r\nFrom: scanner@acme.example\r\nSubject: scan\r\n\r\nfirst\r\nsecond\r\n..\r\nthird\r\n..\r\nfourth\r\n..\r\n"
        b"fifth\r\n..stuffed\r\n"
    )


async def test_a_line_of_998_characters_passes_and_one_more_does_not(world, client):
    assert (await client.mail(TEXT + b"x" * 998 + b"\r\n")).startswith("250 ")
    assert (await client.mail(TEXT + b".." + b"x" * 997 + b"\r\n")).startswith("250 "), "the stuffed dot isn't counted"
    assert (await client.mail(TEXT + b"x" * 1000 + b"\r\n")).startswith("554 5.6.0 ")


async def test_a_body_over_the_limit_is_refused_while_it_comes_and_names_the_limit(world, client):
    answer = await client.mail(TEXT + (b"x" * 98 + b"\r\n") * 30_000)
    assert answer.startswith("552-5.3.4 ")
    assert "(2000000 bytes)" in answer
    (event,) = await world.events(MailRefused)
    assert event.reply.value == "too-big"
    assert (await client.mail()).startswith("250 ")


async def test_a_refused_body_that_never_ends_is_cut_off(start, monkeypatch):
    monkeypatch.setattr(body_reader, "MAX_DISCARDED", 100_000)
    world = await start(max_size="1 kB")
    async with world.connect() as client:
        await client.hello()
        await client.envelope()
        assert (await client.say("DATA")).startswith("354 ")
        client.send((b"x" * 98 + b"\r\n") * 100_000)
        with suppress(ConnectionError):  # the answer may be lost: the client isn't listening
            assert (await client.reply()).startswith("421 4.5.0 ")
    async with asyncio.timeout(60):
        await world.admission.empty.wait()


async def test_a_client_that_goes_in_the_middle_of_data_leaves_nothing(world):
    async with world.connect() as client:
        await client.hello()
        await client.envelope()
        await client.say("DATA")
        client.send(TEXT)
        await client.writer.drain()
    async with asyncio.timeout(60):
        await world.admission.empty.wait()
    assert await world.records() == []


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


LINES = st.lists(
    st.one_of(st.binary(max_size=30), st.sampled_from([b".", b"..", b"", b"x" * 700])).map(
        lambda line: line.replace(b"\r", b"").replace(b"\n", b"")
    ),
    max_size=20,
)


@settings(max_examples=150, deadline=None)
@given(LINES, st.lists(st.integers(0, 10_000), max_size=12))
def test_however_it_is_cut_the_body_comes_out_byte_for_byte(tmp_path_factory, lines, cuts):
    body = b"".join(b"." * line.startswith(b".") + line + b"\r\n" for line in lines)
    assert _received(tmp_path_factory.getbasetemp(), pieces(body + b".\r\nNOOP\r\n", cuts)) == (body, b"NOOP\r\n", None)


@settings(max_examples=20, deadline=None)
@given(st.integers(262_100, 262_180), st.sampled_from([b"\r\n.x\r\n", b"\r\n..\r\n", b"\r\n", b"\r\n\r\n"]))
def test_large_bodies_are_cut_between_lines_or_within_but_never_inside_crlf(tmp_path_factory, length, odd):
    head = (b"y" * 78 + b"\r\n") * 3273
    body = head + b"x" * (length - len(head)) + odd + b"end\r\n"
    assert _received(tmp_path_factory.getbasetemp(), [body + b".\r\n"], max_line=10_000) == (body, b"", None)


def _received(directory: Path, parts: list[bytes], max_line: int = 1000) -> tuple[bytes, bytes, object]:
    async def read() -> tuple[bytes, bytes, object]:
        reader = LineReader()
        spool = Spool(directory, 1_000_000, MemoryBudget(1_000_000))
        body = BodyReader(spool, max_size=10_000_000, max_line=max_line, normalise=False, discard=0)
        task = asyncio.create_task(body.read(reader, lambda _: None))
        for part in parts:
            reader.feed(memoryview(part))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await asyncio.wait_for(task, 60)
        with spool.whole() as whole:
            return bytes(whole), bytes(reader.buffer), body.fault

    return asyncio.run(read())


@given(st.binary(max_size=40).map(lambda b: bytes(b"\r\nx."[byte % 4] for byte in b)))
def test_bare_line_ends_are_found_exactly(data):
    assert has_bare_line_end(data) == (b"\r" in data.replace(b"\r\n", b"") or b"\n" in data.replace(b"\r\n", b""))


@given(
    st.binary(max_size=60).map(lambda b: bytes(b"\r\nx."[byte % 4] for byte in b)),
    st.lists(st.integers(0, 60), max_size=5),
)
def test_normalised_text_has_no_end_mark_and_keeps_its_lines(data, cuts):
    normaliser = LineEndNormaliser()
    out = b"".join(normaliser.feed(piece) for piece in pieces(data, cuts)) + normaliser.end()
    assert not has_bare_line_end(out)
    assert b"\r\n.\r\n" not in b"\r\n" + out
    plain = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    mended = [b".." if line == b"." and n < len(plain) - 1 else line for n, line in enumerate(plain)]
    assert out.split(b"\r\n") == mended


@given(st.lists(st.integers(0, 20), max_size=10), st.lists(st.integers(0, 200), max_size=5))
def test_too_long_is_any_line_over_the_limit_however_cut(sizes, cuts):
    lengths = LineLengthCheck(10)
    for piece in pieces(b"".join(b"x" * size + b"\r\n" for size in sizes), cuts):
        if not lengths.too_long:
            lengths.feed(piece)
    assert lengths.too_long == any(size + 2 > 11 for size in sizes)


async def test_a_body_that_finds_no_room_on_disk_is_452_and_its_rest_is_no_command(start, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "BODY_MEMORY", 1_000)
    world = await start()
    (tmp_path / "spool").write_text("a file where the directory should be")
    async with world.connect() as client:
        await (await client.hello()).envelope()
        assert (await client.data(TEXT + (b"x" * 76 + b"\r\n") * 8_000 + INNER)).startswith("452 4.3.1 ")
        assert (await client.say("NOOP")).startswith("250 2.0.0 ")
    assert [event.ballot.envelope.recipients for event in await world.events(MailRefused)] == [("bob@remote.example",)]


async def test_what_breaks_inside_a_body_ends_the_session(world, client, monkeypatch):
    monkeypatch.setattr(LineLengthCheck, "feed", None)
    await client.envelope()
    assert (await client.data(TEXT + (b"x" * 76 + b"\r\n") * 8_000 + INNER)).startswith("421 4.3.0 ")
    with suppress(ConnectionResetError):  # the rest of the body was not read: TCP resets then
        assert await client.reply() == ""
    assert await world.records() == []


@pytest.mark.parametrize("lines", [0, 25_000])
async def test_a_mail_that_goes_round_in_a_circle_is_refused_in_the_session_whatever_its_size(world, client, lines):
    passed = b"Received: from a ([192.0.2.1])\r\n\tby b; Sun, 29 Nov 2026 09:00:00 +0000\r\n"
    text = b"x" * 70 + b"\r\n"
    assert (await client.mail(passed * 99 + TEXT)).startswith("250 ")
    assert (await client.mail(passed * 100 + TEXT + text * lines)).startswith("554 5.4.6 ")
    (event,) = await world.events(MailRefused)
    assert event.reply is Reply.LOOP


async def test_a_refusal_without_facts_is_in_the_words_of_the_account_too(world):
    texts = AccountTexts(
        languages=(Language.IT, Language.EN), notices={Notice.LINE_LENGTH: {Language.EN: "Too long: ask Bob."}}
    )
    grant = world.policy.networks["127.0.0.1"]
    world.policy.networks["127.0.0.1"] = msgspec.structs.replace(grant, texts=texts)
    async with world.connect() as client:
        await client.hello()
        answer = await client.mail(TEXT + b"x" * 1000 + b"\r\n")
    assert answer.startswith("554-5.6.0 Una riga del messaggio e' troppo lunga")
    assert "554 5.6.0 Too long: ask Bob. (" in answer
