"""`varco`: the command line. catalogue.py lists its commands; each noun has a file in commands/."""

import sys
from importlib.metadata import version as installed_version
from typing import Annotated, Any

import typer
import typer.core
import typer.main
from typer._click.shell_completion import CompletionItem

from varco_cli import catalogue, failures, optional_packages, output

USAGE = "varco [OPTIONS] COMMAND ..."
EXIT_CODES = (
    "Exit codes: 0 done, 1 refused or not there, 2 wrong usage, 3 a service can't be reached or isn't ready, "
    "4 somebody else changed it meanwhile, or a stack runs already, 5 the token isn't accepted."
)
HELP = f"Varco: the gateway that a company's outgoing mail goes through.\n\n{EXIT_CODES}"
HINTS = (
    "`varco COMMAND -h` explains a command, docs/cli.md all of them.",
    "`varco --install-completion` teaches the shell to complete commands, options and accounts.",
)


class LazyCommands(typer.core.TyperGroup):
    """Imports a command when it is named. Its help is an overview for which nothing is imported."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        names: dict[str, Any] = dict.fromkeys(catalogue.ENTRIES)  # for "Did you mean"
        self.commands = names

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the signature of click
        return typer.main.get_command(catalogue.load(cmd_name)) if cmd_name in catalogue.ENTRIES else None

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            _explain(error)
            raise

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Completes names from the catalogue, and options as click does."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        entries = catalogue.ENTRIES.items()
        return [CompletionItem(name, help=entry.about) for name, entry in entries if name.startswith(incomplete)]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        formatter.write_usage(USAGE.partition(" ")[0], USAGE.partition(" ")[2])
        for title, entries in catalogue.SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, entry.about) for name, entry in entries.items()])
        with formatter.section("Options"):
            formatter.write_dl([record for option in self.get_params(ctx) if (record := option.get_help_record(ctx))])
        for text in (*HINTS, EXIT_CODES):
            formatter.write_paragraph()
            formatter.write_text(text)


def _explain(error: typer.BadParameter) -> None:
    """Says in words what an option of the wrong type should be."""
    if (cause := error.__cause__) and hasattr(cause, "errors"):
        from varco_cli.option_mistakes import sentence  # noqa: PLC0415 - costs time, and is seldom needed

        error.message = sentence(cause.errors()[0])


app = typer.Typer(
    name="varco",
    cls=LazyCommands,
    help=HELP,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(asked: bool) -> None:
    if asked:
        output.line(f"varco {installed_version('varco-cli')}")
        raise typer.Exit


@app.callback()
def varco(
    context: typer.Context,
    _: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Prints a short overview where no command is named."""
    if context.invoked_subcommand is None:
        output.lines(catalogue.overview())


def main() -> None:
    """Runs a command. Prints a failure on standard error and ends with its exit code."""
    optional_packages.leave_out()
    try:
        app()
    except failures.CommandFailure as failure:
        output.error(f"varco: {failure}")
        sys.exit(failure.exit_code)
    except OSError as error:
        output.error(f"varco: {error.filename or 'input or output'}: {failures.in_words(error)}")
        sys.exit(failures.Misused.exit_code)


if __name__ == "__main__":
    main()
