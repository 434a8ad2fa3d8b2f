"""Settings commands over HTTP: reason and expected version of a request, and the response.

A change for a version that is not the newest one is answered with 409, as every conflict is.
"""

import re
from typing import Annotated, Any, Self

from fastapi import Body, Depends, Header, HTTPException, Query
from pydantic import BaseModel

from varco_common.eventsourcing.commands import CommandRequest, CommandResult, Op
from varco_common.runtime.auth import Caller

Reason = Annotated[str, Query(max_length=1_000, description="Why; it goes into the event.")]
RequiredReason = Annotated[str, Query(min_length=3, max_length=1_000, description="Why; it goes into the event.")]
DryRun = Annotated[bool, Query(description="Only say what would change.")]
IfMatch = Annotated[str | None, Header(description="The version that the change is made for; else 409.")]


def expected_version(if_match: str | None) -> int | None:
    """The version in an If-Match header (RFC 9110 13.1.1: the entity tag in quotes).

    None: any version.
    """
    if if_match in (None, "*"):
        return None
    version = re.fullmatch(r'"?(\d{1,18})"?', if_match or "")
    if not version:
        raise HTTPException(422, 'If-Match is a version in quotes, as ETag has it: "123"')
    return int(version[1])


def command_request(token: Caller, reason: Reason = "", if_match: IfMatch = None) -> CommandRequest:
    return CommandRequest(token.by, token.is_admin, reason, expected_version(if_match))


def reasoned_request(token: Caller, reason: RequiredReason, if_match: IfMatch = None) -> CommandRequest:
    return command_request(token, reason, if_match)


def dry_runnable_request(
    token: Caller, reason: Reason = "", if_match: IfMatch = None, *, dry_run: DryRun = False
) -> CommandRequest:
    return command_request(token, reason, if_match)._replace(dry_run=dry_run)


Command = Annotated[CommandRequest, Depends(command_request)]
SettingsCommand = Annotated[CommandRequest, Depends(dry_runnable_request)]
Patch = Annotated[Any, Body()]  # a section of an account file, in any form
ReasonedCommand = Annotated[CommandRequest, Depends(reasoned_request)]  # the reason must be given


class ChangeOut(BaseModel):
    """One difference, as fields and as a line (`+` added, `-` removed, `~` changed).

    `removes` names entries that leave a list, `destroys` data that can't be brought back.
    """

    op: Op
    section: str
    key: str
    detail: str
    line: str
    removes: list[str]
    destroys: str


class ChangedOut(BaseModel):
    """What was changed; or what would be, where `applied` is false. `version` is for If-Match."""

    account: str
    applied: bool
    version: int
    changes: list[ChangeOut]

    @classmethod
    def of(cls, result: CommandResult) -> Self:
        return cls.model_validate(result, from_attributes=True)
