"""`varco demo`: demonstrates each rule with a mail."""

import asyncio
import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from varco_cli import output, recipient_limit
from varco_cli.commands.balance import print_balance
from varco_cli.commands.stack_failures import command_failures
from varco_cli.commands.trace import print_story
from varco_cli.output import Json, Styled
from varco_common.base import log

if TYPE_CHECKING:
    from varco_cli.demo.run import DemoReport
    from varco_cli.stack import Stack


Stay = Annotated[
    bool | None,
    typer.Option("--stay/--no-stay", help="Keep the gate up until Ctrl-C. Default: at a terminal.", show_default=False),
]

app = typer.Typer(name="demo", invoke_without_command=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def demo(context: typer.Context, stay: Stay = None, as_json: Json = False) -> None:
    """Starts a separate gate, sends mails that show each rule, and prints their outcomes.

    It has its own next hop, free ports and a temporary home, and leaves nothing behind. Exit code 1
    where an answer is not the expected one. At a terminal the gate stays up until Ctrl-C: its mails
    can be seen in the console.

    Example: `varco demo`
    """
    if context.invoked_subcommand:
        return
    from varco_cli.demo import run  # noqa: PLC0415 - no other command needs what it imports

    log.configure("error")
    with command_failures():
        if stay is None:
            stay = sys.stdin.isatty() and sys.stdout.isatty()
        report = asyncio.run(run.run(_stay_up) if stay and not as_json else run.run())
    rows = [
        {
            "mail": outcome.row.title,
            "code": outcome.answer.code,
            "answer": outcome.answer.text,
            "decision": outcome.answer.decision,
            "went": outcome.went,
        }
        for outcome in report.outcomes
    ]
    if as_json or not stay:
        output.show(rows, as_json, lambda: _show(report))
    run.check(report.outcomes)


@app.command("recipients")
def list_recipients(
    count: Annotated[int, typer.Option(help="How many.", min=1, max=100_000)] = recipient_limit.COUNT,
    domain: Annotated[str, typer.Option(help="The domain of the addresses.")] = recipient_limit.DOMAIN,
    as_json: Json = False,
) -> None:
    """Prints addresses for trying a limit of recipients, one on each line.

    Give their domain a route into the black hole, or a server that discards mail to it.

    Example: `varco demo recipients --count 300 --domain test.acme.example > recipients.txt`
    """
    addresses = [*recipient_limit.addresses(count, domain)]
    output.show(addresses, as_json, lambda: output.lines(addresses))


def _show(report: "DemoReport", *, stays: bool = False) -> None:
    from varco_cli.demo.run import print_outcomes  # noqa: PLC0415 - as above

    print_outcomes(report.outcomes)
    _title("The whole story of one of them, as `varco trace` prints it")
    print_story(report.story)
    _title("The balance, as `varco audit balance` prints it")
    print_balance(report.balance)
    if not stays:
        output.lines(("", "`varco demo --stay` keeps the gate up, so that these mails can be seen in the console."))


async def _stay_up(stack: "Stack", report: "DemoReport") -> None:
    """Says where the mails can be seen, and waits for Ctrl-C."""
    from varco_cli.stack.first_operator import NAME, first_operator_link  # noqa: PLC0415 - as above

    _show(report, stays=True)
    _title("These mails can be seen in the console")
    output.line(f"  {await first_operator_link(stack)}")
    output.line(f"Set a password there, and sign in as {NAME}. Ctrl-C ends the gate, and deletes all of it.")
    sys.stdout.flush()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()


def _title(text: str) -> None:
    output.lines(("", ""))
    output.line(Styled(text, "bold"))
    output.line()
