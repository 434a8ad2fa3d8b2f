"""Parameters that several routes have."""

from typing import Annotated

from fastapi import Depends, Path, Query

from varco_common.eventsourcing.commands import CommandRequest
from varco_common.runtime.auth import Caller
from varco_common.runtime.command_api import IfMatch, command_request

NetworkPath = Annotated[str, Path(description="An address or a network.")]
LoginPath = Annotated[str, Path(min_length=1, max_length=256, description="A login.")]
RequiredReason = Annotated[str, Query(min_length=1, max_length=1_000, description="Why; it goes into the event.")]


def _with_reason(token: Caller, reason: RequiredReason, if_match: IfMatch = None) -> CommandRequest:
    return command_request(token, reason, if_match)


CommandWithReason = Annotated[CommandRequest, Depends(_with_reason)]
