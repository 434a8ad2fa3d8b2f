"""Routes about the proof that EVENTS is unaltered: key, checkpoints, proofs, verification."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Path, Query, Response
from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse
from pydantic import BaseModel, Field

from varco_audit.api import ndjson
from varco_audit.search.redaction import has_secrets
from varco_audit.table_projection import ALL_EVENTS
from varco_audit.transparency.checkpoint_signer import CheckpointSigner
from varco_audit.transparency.log_verification import verify_events
from varco_audit.transparency.signed_history import SignedHistory, read_entries
from varco_audit.transparency.signing_key_file import BadKeyFile
from varco_common.base.errors import NotFound, RefusedCommand
from varco_common.base.units import MAX_SEQUENCE
from varco_common.bus import Bus
from varco_common.runtime.auth import READS, Admin, FullAdmin
from varco_common.transparency import leaf
from varco_common.transparency.checkpoint import Checkpoint
from varco_common.transparency.signed_note import BadNote

Sequence = Annotated[int, Path(ge=1, le=MAX_SEQUENCE, description="The event's sequence in EVENTS.")]
Reason = Annotated[str, Query(max_length=1_000, description="Why; it goes into the event.")]


class ProofOut(BaseModel):
    """How far EVENTS is signed. `broken` says how it differs from that; empty if it doesn't."""

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
            rotations=[rotation.text for rotation in history.rotations],
            broken=history.broken,
        )


class VerificationIn(BaseModel):
    """Checkpoints that were kept elsewhere, as their files have them.

    Without any, the last one signed here is used. Events before `first` have expired: their leaf
    hashes stand for them.
    """

    checkpoints: list[str] = Field(default=[], max_length=1_000)
    first: int = Field(default=1, ge=1, le=MAX_SEQUENCE)


def router(bus: Bus, history: SignedHistory, signer: CheckpointSigner) -> APIRouter:
    """For admins only, because a proof shows a whole event. 503 until the tree has caught up."""
    api = APIRouter(tags=["proof"], dependencies=[Depends(history.check)])
    _add_checkpoint_routes(api, history, signer)
    _add_proof_routes(api, bus, history)
    return api


def _add_checkpoint_routes(api: APIRouter, history: SignedHistory, signer: CheckpointSigner) -> None:
    @api.get("/proof")
    async def show_proof(_: Admin) -> ProofOut:
        return ProofOut.of(history)

    @api.post("/proof/checkpoints")
    async def sign_checkpoint(_: Admin) -> ProofOut:
        """Signs now, if there was traffic."""
        await signer.sign()
        return ProofOut.of(history)

    @api.get("/proof/checkpoints/latest", response_class=PlainTextResponse)
    async def latest_checkpoint(_: Admin) -> str:
        """The text of its file."""
        if not history.last:
            raise NotFound("nothing is signed yet")
        return history.last.checkpoint.text

    @api.post("/proof/key/rotations")
    async def rotate_key(token: Admin, reason: Reason = "") -> ProofOut:
        """A new key signs from now on. The old key signs the change."""
        try:
            await signer.rotate(token.by, reason)
        except BadKeyFile as error:
            raise RefusedCommand(f"the key file isn't {error}") from None
        return ProofOut.of(history)


def _add_proof_routes(api: APIRouter, bus: Bus, history: SignedHistory) -> None:
    @api.get("/proof/events/{sequence}")
    async def prove_event(sequence: Sequence, token: Admin) -> Response:
        """The proof of this event; it shows no other. 409: no checkpoint covers it yet.

        A token for reading alone gets 403 for an event with a hash, a secret or a file's URL in it.
        """
        event = await history.event(sequence)
        if token.read_only and has_secrets(event.payload):
            raise HTTPException(403, "The event holds a secret: a token for reading alone may not have its proof.")
        return Response(history.proof(event), media_type="application/json")

    @api.get("/proof/log", response_class=StreamingResponse)
    async def exact_log(_: FullAdmin, after: Annotated[int, Query(ge=0, le=MAX_SEQUENCE)] = 0) -> StreamingResponse:
        """All events, exact, for verification elsewhere. Password hashes are included.

        So a token for reading alone gets 403: `/events/stream` is for reading.
        """
        lines = ndjson.in_chunks(_exact_lines(bus, after))
        return StreamingResponse(lines, media_type=ndjson.MEDIA_TYPE)

    @api.get("/proof/hashes")
    async def leaf_hashes(_: Admin) -> FileResponse:
        """All leaf hashes, 32 bytes each: with them a verifier names the altered event."""
        return FileResponse(history.tree.path, media_type="application/octet-stream")

    @api.post("/proof/verification", openapi_extra=READS)
    async def verify_log(form: VerificationIn, _: Admin) -> StreamingResponse:
        """Lines of JSON: progress, and at last the result."""
        try:
            given = [Checkpoint.parse(text) for text in form.checkpoints]
        except BadNote as error:
            raise RefusedCommand(str(error)) from None

        async def lines() -> AsyncIterator[bytes]:
            async for frame in verify_events(bus, history, given, form.first):
                yield msgspec.json.encode(frame) + b"\n"

        return StreamingResponse(lines(), media_type=ndjson.MEDIA_TYPE)


async def _exact_lines(bus: Bus, after: int) -> AsyncIterator[tuple[bytes, bool]]:
    async with aclosing(read_entries(bus, after, await bus.events.last_sequence(ALL_EVENTS))) as entries:
        async for entry in entries:
            yield leaf.to_line(entry), False
