"""Routes about the changes of an account's settings."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from varco_audit.api.event_models import EventOut
from varco_audit.changes.history import changes, undoing
from varco_audit.replay.replay_turns import ReplayTurns, seconds_for
from varco_common.base.units import MAX_SEQUENCE
from varco_common.bus import Bus
from varco_common.runtime.auth import AccountScope
from varco_common.runtime.request_model import AccountName


class UndoOut(BaseModel):
    """Sections of an account file to PATCH to their owners, as `varco apply` does."""

    account: str
    sequence: int
    patch: dict[str, Any]


def router(bus: Bus, turns: ReplayTurns) -> APIRouter:
    """All routes about changes."""
    api = APIRouter(tags=["settings"])

    @api.get("/accounts/{account}/changes", summary="The history of an account's settings")
    async def history(
        account: AccountName,
        token: AccountScope,
        before: Annotated[
            int, Query(ge=1, le=MAX_SEQUENCE, description="Only those before this event.")
        ] = MAX_SEQUENCE,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    ) -> list[EventOut]:
        """The newest first. Each event names who caused it, and the reason if one was given."""
        return [
            EventOut.of(raw, read_only=token.read_only)
            for raw in await changes(bus, account, before=before, limit=limit)
        ]

    @api.get("/accounts/{account}/changes/{sequence}/undo", summary="What undoes a change")
    async def undo(
        account: AccountName, sequence: Annotated[int, Path(ge=1, le=MAX_SEQUENCE)], token: AccountScope
    ) -> UndoOut:
        """The patch of the account file that makes the opposite change. Changes nothing itself."""
        async with turns.turn(token.scope, seconds_for(token)):
            return UndoOut(account=account, sequence=sequence, patch=await undoing(bus, account, sequence))

    return api
