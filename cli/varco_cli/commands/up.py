"""`varco up`: runs the whole gateway until Ctrl-C or SIGTERM."""

import asyncio
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, get_args

import typer

from varco_cli import output
from varco_cli.commands.stack_failures import command_failures
from varco_cli.failures import Conflict, Misused
from varco_cli.stack import AlreadyRunning, Stack
from varco_cli.stack.child_watcher import watching_without_threads
from varco_cli.stack.first_operator import console_url, first_operator_link
from varco_cli.stack.handover import ENDING, block_signals, hand_over
from varco_cli.stack.process_groups import Processes
from varco_cli.stack.trial_account import TrialAccount, open_trial
from varco_common.base import log

READY = "VARCO_READY_DESCRIPTOR"


def up(
    processes: Annotated[
        str,
        typer.Option(
            help="`groups` (default): services that need one another share a process; `each`: a process for each "
            "service; `one`: all in one process.",
            metavar="groups|each|one",
        ),
    ] = "",
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return as soon as everything is ready.")] = False,
) -> None:
    """Starts the whole gateway: the bus and every service.

    Ctrl-C or SIGTERM drains and ends it.

    State, secrets, logs and pid files are in VARCO_HOME (./var). The first start creates secrets, a
    certificate and a trial account. Later starts continue with the same state.

    Examples: `varco up` · `VARCO_SMTP_PORT=25 varco up` · `varco up --processes one` ·
    `varco up --detach`
    """
    if processes not in ("", *get_args(Processes)):
        raise Misused(f"--processes={processes}: expected groups, each or one")
    if detach:
        _detach(processes)
        return
    with command_failures(), watching_without_threads():
        asyncio.run(_run(processes))


async def _run(processes: str) -> None:
    stack = Stack(processes=processes, on_progress=output.step)
    stop = asyncio.Event()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(initializer=block_signals))
    for number in ENDING:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    stack.home.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    with stack.home.log_file("varco").open("a") as lines:
        log.configure(stack.settings.log_level, lines)
        try:
            if await _started(stack, stop):
                _welcome(stack, await open_trial(stack), await first_operator_link(stack))
                _signal_ready()
                await hand_over(stack, stop)
                await stop.wait()
        finally:
            await stack.stop()


async def _started(stack: Stack, stop: asyncio.Event) -> bool:
    """Starts the stack. Returns False where a signal ended it before it was ready."""
    starting = asyncio.create_task(stack.start())
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([starting, stopped], return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.wait([starting])
        return False
    stopped.cancel()
    starting.result()
    return True


def _welcome(stack: Stack, trial: TrialAccount | None, operator_link: str) -> None:
    ports = stack.ports
    output.line(f"Varco is ready; its state is in {stack.home.path}.")
    output.line(
        f"  SMTP         {stack.settings.bind}: {ports.smtp} and {ports.submission} (STARTTLS), {ports.smtps} (TLS)"
    )
    for service, url in stack.apis.items():
        output.line(f"  {service:<12} {url}/docs")
    if "console" in stack.apis:
        output.line(f"  pages        {console_url(stack)}")
    output.line(f"  secrets      {stack.home.secrets}, admin token {stack.home.admin_token}")
    output.line(f"  certificate  {stack.home.certificate}")
    output.line(f"  logs         {stack.home.logs}")
    if not stack.settings.has_public_name:
        output.line(
            f"Other servers can't know the name {stack.settings.hostname}, which stands in each mail: "
            "before real mail leaves, set VARCO_HOSTNAME, such as smtp.acme.example."
        )
    if operator_link:
        output.line("The first operator of the console sets a password here (the link works once):")
        output.line(f"  {operator_link}")
    if trial:
        output.line(f"Account {trial.account} is for trying ({trial.route}). Send a mail, with swaks or with curl:")
        output.line(f"  {trial.swaks}")
        output.line(f"  {trial.curl}")
        output.line("See what became of it:")
        output.line(f"  {trial.trace}")
    output.line("`varco down` drains and ends it." if READY in os.environ else "Ctrl-C drains and ends it.")
    sys.stdout.flush()


def _signal_ready() -> None:
    """Writes to the pipe on which `varco up --detach` waits."""
    if descriptor := os.environ.pop(READY, ""):
        os.write(int(descriptor), b"ready")
        os.close(int(descriptor))


def _detach(processes: str) -> None:
    from varco_cli import api_client  # noqa: PLC0415 - it imports a library for HTTP, which the supervisor does without

    if pid := api_client.state_directory().running():
        raise Conflict(str(AlreadyRunning(api_client.state_directory().path, pid)))
    command = [sys.executable, "-m", "varco_cli.main", "up", *(["--processes", processes] if processes else [])]
    log_file = api_client.state_directory().log_file("up")
    log_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    ready, ready_writer = os.pipe()
    with log_file.open("wb") as lines:
        child = subprocess.Popen(  # noqa: S603 - ourselves
            command,
            stdin=subprocess.DEVNULL,
            stdout=lines,
            stderr=lines,
            start_new_session=True,
            pass_fds=[ready_writer],
            env={**os.environ, READY: str(ready_writer)},
        )
    os.close(ready_writer)
    with os.fdopen(ready, "rb") as pipe:
        started = pipe.read()
    typer.echo(log_file.read_text(), nl=False, err=not started)
    if not started:
        raise typer.Exit(child.wait())
