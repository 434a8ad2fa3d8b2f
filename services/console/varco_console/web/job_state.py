"""How far a long answer is. Pure."""

from typing import Any, NamedTuple


class JobState(NamedTuple):
    """The last line that came. `failure` says why no more come."""

    last: dict[str, Any] | None = None
    done: bool = False
    failure: str = ""
