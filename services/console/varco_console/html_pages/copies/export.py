"""Exports copies to a browser as an mbox file, and says how far it is."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, NamedTuple

from varco_console.html_pages.copies.mbox import mbox_entry
from varco_console.service_apis import ApiFailure, PersonApi
from varco_console.web.access import SignInNeeded
from varco_console.web.job_state import JobState

PAGE = 1_000


class ExportedCopies(NamedTuple):
    """The copies at `path` of archive's API that arrived in these times."""

    api: PersonApi
    path: str
    times: Mapping[str, str]

    async def listed(self) -> AsyncIterator[Mapping[str, Any]]:
        """The oldest first; a page at a time, for a mailbox may have a million."""
        cursor = 0
        while True:
            answer = await self.api.get("archive", self.path, limit=PAGE, cursor=cursor, **self.times)
            for copy in answer["copies"]:
                yield copy
            if not (cursor := answer["next"]):
                return

    async def entry(self, copy: Mapping[str, Any]) -> AsyncIterator[bytes]:
        """The copy in the mbox file. Nothing if it is gone meanwhile."""
        text = self.api.chunks("archive", f"{self.path}/{copy['mail']}")
        try:
            async for piece in mbox_entry(datetime.fromisoformat(copy["arrived"]), text):
                yield piece
        except ApiFailure as failure:
            if failure.status != HTTPStatus.NOT_FOUND:
                raise


async def exported(
    copies: ExportedCopies, total: int, report: Callable[[JobState], None], is_signed_in: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """The mbox file, read as fast as the browser takes it. Ends when the person is signed out.

    `total` is how many there were at the beginning; some may come and go meanwhile.
    """
    state, number = JobState({"copies": 0, "of": total}), 0
    report(state)
    try:
        async for copy in copies.listed():
            if not is_signed_in():
                raise SignInNeeded
            async for piece in copies.entry(copy):
                yield piece
            number += 1
            state = JobState({"copies": number, "of": max(total, number)})
            report(state)
        state = state._replace(done=True)
    finally:
        report(state if state.done else state._replace(failure="it was broken off"))
