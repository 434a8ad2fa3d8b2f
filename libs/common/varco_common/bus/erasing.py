"""Erasing from MAIL, and what must be known of its consumers before."""

from varco_common import subjects
from varco_common.bus import jetstream
from varco_common.bus.connection import Connection

FOLLOWER = "follow-"  # how the consumers of those who only follow are called: they come and go


async def durables(link: Connection) -> list[str]:
    """The names of MAIL's consumers that outlive their service."""
    names: list[str] = []
    while True:
        answer = await jetstream.api(link, f"CONSUMER.NAMES.{subjects.MAIL}", {"offset": len(names)})
        page: list[str] = answer.get("consumers") or []
        names += page
        if not page or len(names) >= int(answer["total"]):
            return [name for name in names if not name.startswith(FOLLOWER)]


async def erase(link: Connection, sequence: int, *, overwrite: bool) -> None:
    """Nothing happens where the record is gone already."""
    question = {"seq": sequence, "no_erase": not overwrite}
    try:
        await jetstream.api(link, f"STREAM.MSG.DELETE.{subjects.MAIL}", question)
    except jetstream.ApiError as error:
        if error.err_code not in (jetstream.NO_MESSAGE, jetstream.SEQUENCE_NOT_FOUND):
            raise


async def purge(link: Connection, subject: str, before: int) -> int:
    """Drops all records of exactly this subject below sequence `before`; how many that were."""
    answer = await jetstream.api(link, f"STREAM.PURGE.{subjects.MAIL}", {"filter": subject, "seq": before})
    return int(answer["purged"])
