"""`varco events`: the facts as they pass, read from the embedded stack's own bus."""

import asyncio
import contextlib
from contextlib import aclosing
from typing import Annotated, Any

import msgspec
import typer

from varco_cli import gate, output
from varco_cli.commands.shared import noun
from varco_cli.failures import Unreachable
from varco_cli.output import Json
from varco_cli.stack import bus
from varco_common.bus import Bus
from varco_common.events import encode_event


def add(app: typer.Typer) -> None:
    group = noun(app, "events", "Facts: what happened, in order.")
    group.command("tail")(tail)


def tail(
    subject: Annotated[str, typer.Argument(help="Only these: `events.<service>.<fact>.<key>`, each may be `*`.")] = (
        "events.>"
    ),
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    after: Annotated[int, typer.Option(help="Only those after this sequence.")] = 0,
    as_json: Json = False,
) -> None:
    """The events of the stack of VARCO_HOME, a line each; with --json each line is one object.

    Examples: `varco events tail --follow` · `varco events tail 'events.ingress-smtp.mail-refused.*' --json`
    """
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_tail(subject, after, follow, as_json))


async def _tail(subject: str, after: int, follow: bool, as_json: bool) -> None:
    running = gate.state()
    if not running:
        raise Unreachable(f"no stack runs in {gate.home().path}")
    settings = bus.operator(gate.home(), running["inner"], running["ports"]["nats"])
    async with Bus.connect(settings, "tail") as connected:
        until = await connected.until(subject)
        if not follow and until <= after:
            return
        async with aclosing(connected.follow(subject, after=after)) as events:
            async for stored in events:
                event = _shown(msgspec.json.decode(encode_event(stored.event)))
                if as_json:
                    typer.echo(msgspec.json.encode({"sequence": stored.sequence, **event}).decode())
                else:
                    facts = " ".join(f"{k}={_short(v)}" for k, v in event.items() if k not in ("type", "at"))
                    output.line(f"{stored.sequence:>6} {stored.at:%Y-%m-%d %H:%M:%S} {event['type']} {facts}")
                if not follow and stored.sequence >= until:
                    return


def _shown(event: dict[str, Any]) -> dict[str, Any]:
    """Without hashes of passwords and sealed secrets: they are nobody's to read on a screen."""
    inner = {name: _shown(value) if isinstance(value, dict) else value for name, value in event.items()}
    return {name: "..." if name in ("hash", "secret") else value for name, value in inner.items()}


def _short(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= 80 else text[:77] + "..."
