"""Signatures of mail that leaves, verified by dkimpy, which shares no code with the signer."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import dkim
import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from varco_common.events import (
    DkimAlgorithm,
    DkimKeyActivated,
    DkimKeyMade,
    DomainAdded,
    DomainVouched,
    MailBounced,
    MailDeferred,
    MailDelivered,
)
from varco_common.events.domain_table import AccountDomains, apply
from varco_common.mail.dkim_keys import DKIM_KEY, DkimKeyAnswer, DkimKeyQuestion, decode_answer, encode
from varco_common.testing.next_hop import NextHop
from varco_relay.dkim.canonical import RelaxedBodyHash
from varco_relay.dkim.header import fields_of, from_domain
from varco_relay.dkim.keys import OpenKeys, make_key
from varco_relay.dkim.signer import MailSigner
from varco_relay.secret_box import SecretBox
from varco_relay.smtp.transaction import MAX_HEADER, SmtpTransaction

AT = datetime(2026, 11, 29, tzinfo=UTC)
BOX = SecretBox(Fernet.generate_key())
KEYS = {algorithm: make_key(algorithm, BOX) for algorithm in DkimAlgorithm}
SELECTORS = {DkimAlgorithm.RSA: "varco1", DkimAlgorithm.ED25519: "varco1e"}
HEADER = (
    b"Received: from client by gate;\r\n\tSun, 29 Nov 2026 09:00:00 +0000\r\n"
    b"From: Alice  <alice@acme.example>\r\nTo: bob@dest.example,\r\n  eve@dest.example\r\n"
    b"Subject: a\ttest \r\nDate: Sun, 29 Nov 2026 09:00:00 +0000\r\nMessage-ID: <1@acme.example>\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nMIME-Version: 1.0\r\n"
)
MAIL = HEADER + b"\r\nHello,\r\n..a line  with\ta dot \r\n\r\n\r\n"


def domains(*algorithms: DkimAlgorithm, name: str = "acme.example", active: bool = True) -> AccountDomains:
    state = apply(None, DomainVouched(at=AT, account="acme", domain=name))
    for algorithm in algorithms:
        fields = {"at": AT, "account": "acme", "domain": name, "selector": SELECTORS[algorithm]}
        public, secret = KEYS[algorithm]
        state = apply(state, DkimKeyMade(**fields, algorithm=algorithm, generation=1, public=public, secret=secret))
        if active:
            state = apply(state, DkimKeyActivated(**fields))
    return state


def signer(state: AccountDomains | None, box: SecretBox = BOX, *, remove_broken: bool = True) -> MailSigner:
    return MailSigner(lambda _: state, OpenKeys(box), remove_broken=remove_broken)


def transaction(body, *, rewritten: bool = False) -> SmtpTransaction:
    return SmtpTransaction(
        sender="alice@acme.example", recipients=("bob@dest.example",), body=body, size=len(MAIL), rewritten=rewritten
    )


def in_chunks(mail: bytes, size: int):
    async def chunks() -> AsyncGenerator[bytes, None]:
        for at in range(0, len(mail), size):
            yield mail[at : at + size]

    return chunks


async def sign(state: AccountDomains | None, body=MAIL, *, rewritten: bool = False) -> SmtpTransaction:
    return await signer(state).sign(transaction(body, rewritten=rewritten), "acme")


def record(name: bytes, timeout: int = 0) -> bytes:
    algorithm = {"varco1": DkimAlgorithm.RSA, "varco1e": DkimAlgorithm.ED25519}[name.split(b".")[0].decode()]
    return f"v=DKIM1; k={algorithm}; h=sha256; p={KEYS[algorithm].public}".encode()


def plain(wire: bytes) -> bytes:
    """As the receiver has it: without the dots of wire form."""
    return wire.replace(b"\r\n..", b"\r\n.")


def verified(wire: bytes, index: int = 0) -> bool:
    try:
        return dkim.DKIM(plain(wire)).verify(index, dnsfunc=record)
    except dkim.ValidationError:  # the hash of the body differs
        return False


async def test_a_signature_is_verified_by_another_implementation():
    signed = await sign(domains(DkimAlgorithm.RSA))
    assert signed.dkim == "signed by acme.example (varco1)"
    assert signed.size == len(signed.body)
    assert verified(signed.body)
    assert max(map(len, signed.body.split(b"\r\n"))) <= 90


async def test_an_ed25519_key_signs_beside_the_rsa_key():
    signed = await sign(domains(DkimAlgorithm.RSA, DkimAlgorithm.ED25519))
    assert signed.dkim == "signed by acme.example (varco1, varco1e)"
    assert verified(signed.body, 0)
    assert verified(signed.body, 1)


@pytest.mark.parametrize(
    "added", [b"From", b"Subject", b"Date", b"To", b"Message-ID", b"MIME-Version", b"Content-Type"]
)
async def test_nobody_can_add_a_field_that_readers_see(added):
    signed = await sign(domains(DkimAlgorithm.RSA))
    assert not verified(added + b": mallory@evil.example\r\n" + signed.body)
    without = HEADER.replace(b"\r\nSubject: a\ttest ", b"") + b"\r\nHello\r\n"
    assert not verified(b"Subject: buy\r\n" + (await sign(domains(DkimAlgorithm.RSA), without)).body)


async def test_a_changed_body_breaks_the_signature():
    signed = await sign(domains(DkimAlgorithm.RSA))
    assert verified(signed.body.replace(b"with\ta", b"with a"))  # relaxed
    assert not verified(signed.body.replace(b"Hello", b"Hallo"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\r\n",
        b"\r\n\r\n\r\n",
        b" \r\n",
        b"a",
        b"a\r\nb",
        b"..\r\n",
        b"...x\r\n",
        b"a \t b\t\r\n \r\n\r\n",
        "è\r\n".encode(),
    ],
)
@pytest.mark.parametrize("size", [0, 1, 7, 300])
async def test_any_body_is_signed_whole_or_in_chunks(content, size):
    mail = HEADER + b"\r\n" + content
    signed = await sign(domains(DkimAlgorithm.RSA), in_chunks(mail, size) if size else mail)
    wire = signed.body if size == 0 else b"".join([chunk async for chunk in signed.body()])
    assert wire.endswith(mail)
    assert verified(wire)


@given(st.lists(st.sampled_from([b"\r\n", b" ", b"\t", b"a", b".", b"\r", b"\n"]), max_size=30), st.integers(1, 9))
def test_a_body_has_one_hash_however_it_is_cut(pieces, size):
    content = b"".join(pieces).replace(b"\r\n.", b"\r\n..")
    content = b"." + content if content.startswith(b".") else content
    cut = RelaxedBodyHash()
    for at in range(0, len(content), size):
        cut.feed(content[at : at + size])
    whole = RelaxedBodyHash()
    whole.feed(content)
    assert cut.digest() == whole.digest()


async def test_a_mail_without_a_published_key_leaves_as_it_is():
    for state in (None, domains(), domains(DkimAlgorithm.RSA, active=False)):
        signed = await sign(state)
        assert (signed.body, signed.dkim) == (MAIL, "unsigned: no published key of acme.example")


async def test_a_domain_that_is_not_proven_signs_nothing():
    state = apply(None, DomainAdded(at=AT, account="acme", domain="acme.example", proof="p"))
    fields = {"at": AT, "account": "acme", "domain": "acme.example", "selector": "varco1"}
    public, secret = KEYS[DkimAlgorithm.RSA]
    made = DkimKeyMade(**fields, algorithm=DkimAlgorithm.RSA, generation=1, public=public, secret=secret)
    signed = await sign(apply(apply(state, made), DkimKeyActivated(**fields)))
    assert signed.body == MAIL


async def test_the_key_of_the_narrowest_domain_above_the_author_signs():
    mail = MAIL.replace(b"alice@acme.example", b"alice@news.acme.example")
    assert (await sign(domains(DkimAlgorithm.RSA), mail)).dkim == "signed by acme.example (varco1)"
    assert (await sign(domains(DkimAlgorithm.RSA, name="other.example"), mail)).body == mail


@pytest.mark.parametrize(
    ("value", "domain"),
    [
        (b"a@acme.example", "acme.example"),
        (b'"b@evil.example" <a@ACME.example>', "acme.example"),
        ("a@straße.example".encode(), "xn--strae-oqa.example"),
        (b"a@acme.example, b@acme.example", "acme.example"),
        (b"a@acme.example, b@evil.example", ""),
        (b"nobody", ""),
        (b"", ""),
    ],
)
def test_the_author_has_one_domain_or_none(value, domain):
    assert from_domain(fields_of(b"Subject: x\r\nFrom: " + value)) == domain
    assert from_domain([b"From: a@acme.example", b"From: a@acme.example"]) == ""


@pytest.mark.parametrize("chunked", [False, True])
async def test_signatures_of_the_client_that_the_gate_broke_are_removed_or_kept(chunked):
    mail = b"DKIM-Signature: v=1; d=acme.example;\r\n\tb=abc\r\nARC-Seal: i=1\r\n" + MAIL
    body = in_chunks(mail, 50) if chunked else mail

    async def wire(signed: SmtpTransaction) -> bytes:
        return signed.body if isinstance(signed.body, bytes) else b"".join([chunk async for chunk in signed.body()])

    assert await wire(await sign(None, body, rewritten=True)) == MAIL
    assert await wire(await sign(None, body)) == mail
    keeping = signer(domains(DkimAlgorithm.RSA), remove_broken=False)
    kept = await wire(await keeping.sign(transaction(body, rewritten=True), "acme"))
    assert kept.endswith(mail)
    removed = await wire(await sign(domains(DkimAlgorithm.RSA), body, rewritten=True))
    assert removed.lower().count(b"dkim-signature:") == 1
    assert verified(removed)


@pytest.mark.parametrize("excess", [-10, 1, 70_000])
async def test_a_long_header_in_chunks_is_signed_whole_or_left_as_it_is(excess):
    long = HEADER + b"X-Long: " + b"x" * (MAX_HEADER + excess - len(HEADER) - 12) + b"\r\n"
    mail = long + b"\r\nHello\r\n"
    assert len(long) == MAX_HEADER + excess - 2
    body = in_chunks(mail, MAX_HEADER // 16)
    signed = await sign(domains(DkimAlgorithm.RSA), body, rewritten=True)
    content = b"".join([chunk async for chunk in signed.body()])
    assert content.endswith(mail)
    if content == mail:
        assert signed.dkim == f"unsigned: the header is longer than {MAX_HEADER} bytes"
    else:
        assert verified(content)


async def test_a_key_of_another_gate_stops_no_mail():
    state = domains(DkimAlgorithm.RSA)
    signed = await signer(state, SecretBox(Fernet.generate_key())).sign(transaction(MAIL), "acme")
    assert signed.body == MAIL
    assert "can't be opened" in signed.dkim


async def key_for_acme(gate) -> DkimKeyAnswer:
    """Makes a key for acme.example in the relay that runs, and activates it."""
    question = encode(DkimKeyQuestion(algorithm="rsa"))
    key = decode_answer(await gate.bus.requests.ask(DKIM_KEY, question, 60))
    fields = {"at": AT, "account": "acme", "domain": "acme.example"}
    await gate.bus.events.append(DomainVouched(**fields))
    made = DkimKeyMade(
        **fields, selector="varco1", algorithm=DkimAlgorithm.RSA, generation=1, public=key.public, secret=key.secret
    )
    await gate.bus.events.append(made)
    await gate.bus.events.append(DkimKeyActivated(**fields, selector="varco1"))
    return key


async def signing(gate) -> DkimKeyAnswer:
    """As `key_for_acme`; returns once the relay signs with the key."""
    key = await key_for_acme(gate)
    delivered, count = "", 0
    while not delivered.startswith("signed"):  # the projection follows a moment later
        await gate.mail(body=MAIL)
        count += 1
        delivered = (await gate.facts.until(MailDelivered, count, timeout=60))[-1].dkim
        await asyncio.sleep(0)
    return key


def verified_with(key: DkimKeyAnswer, received: bytes) -> bool:
    published = f"v=DKIM1; k=rsa; p={key.public}".encode()
    return dkim.DKIM(received).verify(dnsfunc=lambda *_args, **_more: published)


async def test_relay_signs_with_a_key_that_it_has_made(gate, hop: NextHop):
    await gate.account()
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}"):
        key = await signing(gate)
    received = hop.received[-1].content
    assert key.secret.encode() not in received
    assert verified_with(key, received)


@pytest.mark.parametrize("choice", ["remove", "keep"])
async def test_a_signature_that_the_7_bit_conversion_breaks_is_removed_or_kept(gate, hop: NextHop, choice: str):
    hop.eight_bit = False
    await gate.account()
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}", broken_signatures=choice):
        key = await signing(gate)
        mail = b"DKIM-Signature: v=1; d=acme.example;\r\n\tb=abc\r\n" + MAIL + "perché\r\n".encode()
        await gate.facts.until(MailDelivered, mail=await gate.mail(body=mail), timeout=60)
    received = hop.received[-1].content
    assert received.isascii()
    assert (b"\tb=abc" in received) == (choice == "keep")
    assert received.lower().count(b"dkim-signature:") == (2 if choice == "keep" else 1)
    assert verified_with(key, received)


async def test_deferred_and_bounced_attempts_tell_how_the_mail_was_signed(gate, hop: NextHop):
    await gate.account()
    async with gate.relay(default_route=f"127.0.0.1:{hop.port}"):
        await signing(gate)
        hop.answer("END", "451 4.7.1 later", "550 5.7.26 unauthenticated mail is refused")
        mail = await gate.mail(body=MAIL)
        (deferred,) = await gate.facts.until(MailDeferred, mail=mail, timeout=60)
        (bounced,) = await gate.facts.until(MailBounced, mail=mail, timeout=60)
        hop.answer("END", "550 5.7.26 unauthenticated mail is refused")
        unsigned = await gate.mail(body=MAIL.replace(b"acme.example", b"other.example"))
        (other,) = await gate.facts.until(MailBounced, mail=unsigned, timeout=60)
    assert {deferred.dkim, bounced.dkim} == {"signed by acme.example (varco1)"}
    assert other.dkim == "unsigned: no published key of other.example"


def test_a_from_field_with_deep_comments_is_read_as_ingress_reads_it() -> None:
    deep = b"(\r\n " * 600 + b"x" + b")\r\n " * 600
    assert from_domain([b"From: " + deep + b" a@acme.example"]) == "acme.example"
    assert from_domain([b"From: a@acme.example, b@other.example"]) == ""
