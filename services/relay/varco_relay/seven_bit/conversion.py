"""Converts the body of a transaction, in two readings; large bodies are never whole in memory."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from varco_relay.seven_bit.rewriter import Rewriter
from varco_relay.seven_bit.survey import ConversionPlan, Survey
from varco_relay.smtp.transaction import BodyChunks, SmtpTransaction

PIECE = 64 * 1024  # bytes after which other mails get their turn


async def seven_bit(transaction: SmtpTransaction) -> SmtpTransaction:
    """The same mail, in 7 bits.

    Its size is about right where its body is in chunks. Raises NotConvertible, and the errors of
    reading the body.
    """
    body = transaction.body
    survey = Survey()
    async with aclosing(_lines(body)) as lines:
        async for line in lines:
            survey.feed(line)
    plan = survey.plan()
    if not plan.changes:
        return replace(transaction, eight_bit=False)
    if isinstance(body, bytes):
        async with aclosing(_converted(body, plan)) as pieces:
            converted = b"".join([piece async for piece in pieces])
        return replace(transaction, body=converted, size=len(converted), eight_bit=False, rewritten=True)
    size = transaction.size + plan.growth
    return replace(transaction, body=lambda: _converted(body, plan), size=size, eight_bit=False, rewritten=True)


async def _converted(body: bytes | BodyChunks, plan: ConversionPlan) -> AsyncGenerator[bytes, None]:
    rewriter, piece = Rewriter(plan), bytearray()
    async with aclosing(_lines(body)) as lines:
        async for line in lines:
            piece += b"".join(rewriter.feed(line))
            if len(piece) >= PIECE:
                yield bytes(piece)
                piece.clear()
    piece += b"".join(rewriter.end())
    if piece:
        yield bytes(piece)


async def _lines(body: bytes | BodyChunks) -> AsyncGenerator[bytes, None]:
    """The lines, without CRLF."""
    rest = b""
    chunks = _slices(body) if isinstance(body, bytes) else body()
    async with aclosing(chunks):
        async for chunk in chunks:
            *lines, rest = (rest + chunk).split(b"\r\n")
            for line in lines:
                yield line
    if rest:
        yield rest


async def _slices(body: bytes) -> AsyncGenerator[bytes, None]:
    for at in range(0, len(body), PIECE):
        yield body[at : at + PIECE]
        await asyncio.sleep(0)
