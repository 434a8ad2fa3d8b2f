"""`varco`: the command line. Its commands are in commands/, one file a noun."""

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
    "Exit codes: 0 done, 1 refused or not there, 2 used wrongly, 3 a service can't be reached or isn't ready, "
    "4 changed by somebody else meanwhile, or running already, 5 the token isn't accepted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
# `varco --help` lists them in this order.
COMMANDS = (
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
    """Runs one command; a failure is one line on standard error and its exit code."""
    try:
        app()
    except failures.Failure as failure:
        output.errors.print(f"varco: {failure}", markup=False)
        sys.exit(failure.exit_code)


if __name__ == "__main__":
    main()
