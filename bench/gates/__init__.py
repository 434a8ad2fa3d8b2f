"""The gates to measure: each accepts mail on a port and delivers it to the sink."""

from contextlib import AsyncExitStack
from pathlib import Path

from bench.gates.base import Gate
from bench.gates.postfix import postfix
from bench.gates.varco import varco
from bench.sink import Ports
from varco_common.testing.postfix import why_not


async def opened(stack: AsyncExitStack, name: str, home: Path, sink: Ports, flow_delay: str) -> Gate | str:
    """Opens the gate until `stack` ends, or returns why it isn't available here."""
    match name:
        case "varco" | "varco-copy" | "varco-one":
            return await stack.enter_async_context(varco(home, sink.mails, name))
        case "postfix" | "postfix-copy":
            if why := why_not():
                return why
            copying = name == "postfix-copy"
            return await stack.enter_async_context(
                postfix(home, sink.mails, sink.copies, copying=copying, flow_delay=flow_delay)
            )
        case _:
            return "there is no such gate"


__all__ = ["Gate", "opened"]
