"""`varco demo`: each rule, shown by a mail."""

import asyncio
from typing import TYPE_CHECKING

from varco_cli import output
from varco_cli.commands.balance import print_balance
from varco_cli.commands.trace import print_story
from varco_cli.failures import Failure, Misused
from varco_cli.output import Json
from varco_cli.stack import FailedStart
from varco_common.base import log
from varco_common.base.settings import BrokenSetting

if TYPE_CHECKING:
    from varco_cli.demo.run import DemoReport


def demo(as_json: Json = False) -> None:
    """Starts a gate of its own with a local next hop, sends mails that show each rule, prints what became of them.

    It uses free ports and a temporary home, beside whatever runs, and leaves nothing behind. Exit code 1 where an
    answer isn't what it should be.

    Example: `varco demo`
    """
    from varco_cli.demo import run  # noqa: PLC0415 - no other command needs what it imports

    log.configure("error")
    try:
        shown = asyncio.run(run.run())
    except BrokenSetting as error:
        raise Misused(str(error)) from None
    except FailedStart as error:
        raise Failure(str(error)) from None
    rows = [
        {
            "mail": outcome.row.title,
            "code": outcome.answer.code,
            "answer": outcome.answer.text,
            "decision": outcome.answer.decision,
            "went": outcome.went,
        }
        for outcome in shown.outcomes
    ]
    output.show(rows, as_json, lambda: _show(shown))
    run.check(shown.outcomes)


def _show(shown: "DemoReport") -> None:
    from varco_cli.demo.run import table  # noqa: PLC0415 - as above

    output.console.print(table(shown.outcomes))
    output.console.print("\nThe whole story of one of them, as `varco trace` tells it\n", style="bold")
    print_story(shown.story)
    output.console.print("\nThe balance, as `varco audit balance` tells it\n", style="bold")
    print_balance(shown.balance)
