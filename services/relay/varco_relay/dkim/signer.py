"""Signs a mail as it leaves, with the keys of its author's domain."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from time import time
from typing import NamedTuple

from varco_common.base import log
from varco_common.base.errors import TransientError
from varco_common.events import DkimAlgorithm
from varco_common.events.domain_table import AccountDomain, AccountDomains
from varco_relay.dkim.canonical import RelaxedBodyHash
from varco_relay.dkim.header import fields_of, from_domain, without_signatures
from varco_relay.dkim.keys import OpenKeys
from varco_relay.dkim.signature import signature_field
from varco_relay.smtp.transaction import MAX_HEADER, BodyChunks, SmtpTransaction, header_of

_ALGORITHMS = {DkimAlgorithm.RSA: "rsa-sha256", DkimAlgorithm.ED25519: "ed25519-sha256"}
_log = log.get(__name__)


class _HeaderTooLong(Exception):
    """Of a body that comes in chunks: it would have to be in memory."""


class _Reading(NamedTuple):
    """What one reading of a mail found: its fields, the bytes of its header, the body's hash."""

    fields: list[bytes]
    header_size: int
    body_hash: bytes


class MailSigner:
    """`domains_of` gives the domains of an account."""

    def __init__(
        self, domains_of: Callable[[str], AccountDomains | None], keys: OpenKeys, *, remove_broken: bool
    ) -> None:
        self._domains_of, self._keys, self._remove_broken = domains_of, keys, remove_broken

    async def sign(self, transaction: SmtpTransaction, account: str) -> SmtpTransaction:
        """The transaction with the gate's signatures, and what became of them in `dkim`.

        Broken signatures of the client are removed from a mail that was rewritten, unless they
        shall stay. Large bodies are read once more, in pieces. Raises the errors of reading the
        body.
        """
        body = transaction.body
        try:
            header = await _header(body)
        except _HeaderTooLong:
            return replace(transaction, dkim=f"unsigned: the header is longer than {MAX_HEADER} bytes")
        fields = fields_of(header)
        author = from_domain(fields)
        state = self._domains_of(account)
        domain = state.signing(author) if state and author else None
        removes = self._remove_broken and transaction.rewritten and without_signatures(fields) != fields
        if not domain and not removes:
            return replace(transaction, dkim=_unsigned(author))
        reading = await _read(body, hashed=domain is not None)
        kept = without_signatures(reading.fields) if removes else reading.fields
        signatures, what = self._signatures(domain, kept, reading.body_hash) if domain else (b"", _unsigned(author))
        head = signatures + (b"".join(field + b"\r\n" for field in kept) if removes else b"")
        return _with_head(transaction, head, reading.header_size if removes else 0, what)

    def _signatures(self, domain: AccountDomain, fields: list[bytes], body_hash: bytes) -> tuple[bytes, str]:
        signatures, selectors = b"", []
        for key in domain.signing_keys:
            try:
                signatures += signature_field(
                    fields,
                    body_hash,
                    algorithm=_ALGORITHMS[key.algorithm],
                    domain=domain.name,
                    selector=key.selector,
                    at=int(time()),
                    sign=self._keys.sign(key.algorithm, key.secret),
                )
                selectors.append(key.selector)
            except TransientError as error:  # sealed with the key of another gate: mail goes on
                _log.error("a DKIM key can't be opened", domain=domain.name, selector=key.selector, error=str(error))
        if not selectors:
            return b"", f"unsigned: the keys of {domain.name} can't be opened, make new ones with varco domains rotate"
        return signatures, f"signed by {domain.name} ({', '.join(selectors)})"


def _unsigned(author: str) -> str:
    return f"unsigned: no published key of {author}" if author else "unsigned: From has not exactly one domain"


def _with_head(transaction: SmtpTransaction, head: bytes, cut: int, dkim: str) -> SmtpTransaction:
    """`head` takes the place of the first `cut` bytes."""
    body = transaction.body
    new: bytes | BodyChunks = head + body[cut:] if isinstance(body, bytes) else lambda: _joined(head, cut, body)
    return replace(transaction, body=new, size=transaction.size + len(head) - cut, dkim=dkim)


async def _joined(head: bytes, cut: int, body: BodyChunks) -> AsyncGenerator[bytes, None]:
    yield head
    async with aclosing(body()) as chunks:
        async for chunk in chunks:
            if cut < len(chunk):
                yield chunk[cut:]
            cut = max(cut - len(chunk), 0)


async def _header(body: bytes | BodyChunks) -> bytes:
    if isinstance(body, bytes):
        return header_of(body)
    async with aclosing(body()) as chunks:
        return (await _until_body(chunks))[0]


async def _read(body: bytes | BodyChunks, *, hashed: bool) -> _Reading:
    """Reads the mail; the whole body only if it is `hashed`."""
    digest = RelaxedBodyHash()
    if isinstance(body, bytes):
        header, _, content = body.partition(b"\r\n\r\n")
        if hashed:
            digest.feed(content)
        return _reading(header, digest)
    async with aclosing(body()) as chunks:
        header, content = await _until_body(chunks)
        digest.feed(content)
        if hashed:
            async for chunk in chunks:
                digest.feed(chunk)
    return _reading(header, digest)


def _reading(header: bytes, digest: RelaxedBodyHash) -> _Reading:
    return _Reading(fields_of(header), len(header) + 2, digest.digest())


async def _until_body(chunks: AsyncGenerator[bytes, None]) -> tuple[bytes, bytes]:
    """The header, and the beginning of the body behind it. Raises _HeaderTooLong."""
    start = b""
    async for chunk in chunks:
        start += chunk
        if b"\r\n\r\n" in start:
            break
        if len(start) >= MAX_HEADER:
            raise _HeaderTooLong
    header, _, content = start.partition(b"\r\n\r\n")
    return header, content
