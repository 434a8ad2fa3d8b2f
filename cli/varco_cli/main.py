"""`varco`: the command line. Each noun has one file in commands/."""

import sys

import typer

from varco_cli import failures, output
from varco_cli.commands import (
    accounts,
    apply,
    archive,
    audit,
    backup,
    balance,
    bans,
    deadletters,
    demo,
    down,
    events,
    init,
    links,
    networks,
    notices,
    prepare,
    queue,
    quickstart,
    quota,
    rebuild,
    replay,
    restart,
    routes,
    rules,
    senders,
    state,
    status,
    tokens,
    trace,
    up,
    users,
    whatif,
)

app = typer.Typer(
    name="varco",
    help="Varco: the gateway that a company's outgoing mail goes through.\n\n"
    "Exit codes: 0 done, 1 refused or not there, 2 wrong usage, 3 a service can't be reached or isn't ready, "
    "4 somebody else changed it meanwhile, or a stack runs already, 5 the token isn't accepted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
# `varco --help` lists the commands in this order.
COMMANDS = (
    quickstart.quickstart,
    up.up,
    demo.demo,
    down.down,
    restart.restart,
    status.status,
    apply.apply,
    apply.show,
    trace.trace,
    whatif.whatif,
    state.state,
    init.init,
    prepare.prepare,
    backup.backup,
    backup.restore,
)
GROUPS = (
    accounts.app,
    users.app,
    senders.app,
    networks.app,
    rules.app,
    notices.app,
    tokens.app,
    routes.app,
    queue.app,
    archive.app,
    quota.app,
    bans.app,
    links.app,
    deadletters.app,
    events.app,
    replay.app,
    audit.app,
)
replay.app.command("rebuild")(rebuild.rebuild)
audit.app.command("balance")(balance.balance)
for command in COMMANDS:
    app.command(command.__name__)(command)
for group in GROUPS:
    app.add_typer(group)


def main() -> None:
    """Runs a command. Prints a failure on standard error and ends with its exit code."""
    try:
        app()
    except failures.CommandFailure as failure:
        output.errors.print(f"varco: {failure}", markup=False)
        sys.exit(failure.exit_code)


if __name__ == "__main__":
    main()
