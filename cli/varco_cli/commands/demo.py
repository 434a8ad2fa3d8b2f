"""`varco demo`: demonstrates each rule with a mail."""

import asyncio
from typing import TYPE_CHECKING

from varco_cli import output
from varco_cli.commands.balance import print_balance
from varco_cli.commands.stack_failures import command_failures
from varco_cli.commands.trace import print_story
from varco_cli.output import Json, Styled
from varco_common.base import log

if TYPE_CHECKING:
    from varco_cli.demo.run import DemoReport


def demo(as_json: Json = False) -> None:
    """Starts a separate gate, sends mails that show each rule, and prints their outcomes.

    It has its own next hop, free ports and a temporary home, and leaves nothing behind. Exit code 1
    where an answer is not the expected one.

    Example: `varco demo`
    """
    from varco_cli.demo import run  # noqa: PLC0415 - no other command needs what it imports

    log.configure("error")
    with command_failures():
        report = asyncio.run(run.run())
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
    output.show(rows, as_json, lambda: _show(report))
    run.check(report.outcomes)


def _show(report: "DemoReport") -> None:
    from varco_cli.demo.run import print_outcomes  # noqa: PLC0415 - as above

    print_outcomes(report.outcomes)
    _title("The whole story of one of them, as `varco trace` prints it")
    print_story(report.story)
    _title("The balance, as `varco audit balance` prints it")
    print_balance(report.balance)


def _title(text: str) -> None:
    output.lines(("", ""))
    output.line(Styled(text, "bold"))
    output.line()
