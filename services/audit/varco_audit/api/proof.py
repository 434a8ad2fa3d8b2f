"""The proof over HTTP: the key, checkpoints, proofs of single events, and the whole log verified."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse
from pydantic import BaseModel, Field

from varco_audit.transparency.checkpoint_signer import CheckpointSigner
from varco_audit.transparency.log_verification import verify_events
from varco_audit.transparency.signed_history import ALL, SignedHistory, read_entries
from varco_audit.transparency.signing_key_file import BadKeyFile
from varco_common.base.errors import NotFound, RefusedCommand
from varco_common.bus import Bus
from varco_common.runtime.auth import Admin
from varco_common.transparency import leaf
from varco_common.transparency.checkpoint import Checkpoint
from varco_common.transparency.signed_note import BadNote

_TOGETHER = 200

Sequence = Annotated[int, Path(ge=1, description="The event's sequence in EVENTS.")]
Why = Annotated[str, Query(max_length=1_000, description="Why; it goes into the event.")]


class ProofOut(BaseModel):
    """Where the proof stands. `broken` says why EVENTS isn't what was signed; empty: it is."""

    key: str
    tree: int
    signed: int
    checkpoint: str
    rotations: list[str]
    broken: str

    @classmethod
    def of(cls, history: SignedHistory) -> "ProofOut":
        return cls(
            key=str(history.key),
            tree=history.size,
            signed=history.signed_size,
            checkpoint=history.last.checkpoint.text if history.last else "",
            rotations=[one.text for one in history.rotations],
            broken=history.broken,
        )


class VerificationIn(BaseModel):
    """Checkpoints from elsewhere, as their files have them; none: the last one signed here.

    Events before `first` have expired: their leaf hashes speak for them.
    """

    checkpoints: list[str] = Field(default=[], max_length=1_000)
    first: int = Field(default=1, ge=1)


def router(bus: Bus, history: SignedHistory, notary: CheckpointSigner) -> APIRouter:
    """Admins alone: a proof shows an event whole. 503 until the tree has caught up."""
    api = APIRouter(tags=["proof"], dependencies=[Depends(history.check)])
    _checkpoints(api, history, notary)
    _proofs(api, bus, history)
    return api


def _checkpoints(api: APIRouter, history: SignedHistory, notary: CheckpointSigner) -> None:
    @api.get("/proof")
    async def show_proof(_: Admin) -> ProofOut:
        return ProofOut.of(history)

    @api.post("/proof/checkpoints")
    async def sign_checkpoint(_: Admin) -> ProofOut:
        """Signs now, where there was traffic."""
        await notary.sign()
        return ProofOut.of(history)

    @api.get("/proof/checkpoints/latest", response_class=PlainTextResponse)
    async def latest_checkpoint(_: Admin) -> str:
        """As its file has it."""
        if not history.last:
            raise NotFound("nothing is signed yet")
        return history.last.checkpoint.text

    @api.post("/proof/key/rotations")
    async def rotate_key(token: Admin, reason: Why = "") -> ProofOut:
        """A new key signs from now on; the old one signs that."""
        try:
            await notary.rotate(f"token {token.id}", reason)
        except BadKeyFile as error:
            raise RefusedCommand(f"the key file isn't {error}") from None
        return ProofOut.of(history)


def _proofs(api: APIRouter, bus: Bus, history: SignedHistory) -> None:
    @api.get("/proof/events/{sequence}")
    async def prove_event(sequence: Sequence, _: Admin) -> Response:
        """The proof that this event is in the log; it reveals no other. 409: no checkpoint covers it yet."""
        return Response(history.proof(await history.event(sequence)), media_type="application/json")

    @api.get("/proof/log", response_class=StreamingResponse)
    async def exact_log(_: Admin, after: Annotated[int, Query(ge=0)] = 0) -> StreamingResponse:
        """All events as verifying elsewhere needs them: exact, hashes of passwords included."""
        return StreamingResponse(_exact(bus, after), media_type="application/x-ndjson")

    @api.get("/proof/hashes")
    async def leaf_hashes(_: Admin) -> FileResponse:
        """All leaf hashes, 32 bytes each: what names a departure exactly when verifying elsewhere."""
        return FileResponse(history.levels.path, media_type="application/octet-stream")

    @api.post("/proof/verification")
    async def verify_log(form: VerificationIn, _: Admin) -> StreamingResponse:
        """JSON lines: progress, and at last what was found."""
        try:
            given = [Checkpoint.parse(text) for text in form.checkpoints]
        except BadNote as error:
            raise RefusedCommand(str(error)) from None

        async def lines() -> AsyncIterator[bytes]:
            async for frame in verify_events(bus, history, given, form.first):
                yield msgspec.json.encode(frame) + b"\n"

        return StreamingResponse(lines(), media_type="application/x-ndjson")


async def _exact(bus: Bus, after: int) -> AsyncIterator[bytes]:
    async with aclosing(read_entries(bus, after, await bus.events.last_sequence(ALL))) as entries:
        lines: list[bytes] = []
        async for entry in entries:
            lines.append(leaf.to_line(entry))
            if len(lines) >= _TOGETHER:
                yield b"".join(lines)
                lines.clear()
        yield b"".join(lines)
