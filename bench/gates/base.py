"""What a bench must know of a running gate."""

from collections.abc import Callable

import msgspec


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """A running gate.

    `roots` gives the pids of its top processes; `copies` says that each mail goes out twice.

    `refusal_port` is where W7 goes, when a gate has a port for it.
    """

    name: str
    port: int
    roots: Callable[[], list[int]]
    copies: bool = False
    refusal_port: int = 0

    def port_for(self, expects: str) -> int:
        return self.refusal_port if expects == "refused" and self.refusal_port else self.port
