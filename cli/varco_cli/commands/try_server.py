"""`varco try`: what a mail server does, asked from outside. No mail is sent."""

import getpass
import socket
import sys
from typing import Annotated

import typer

from varco_cli import output, recipient_limit
from varco_cli.catalogue import group
from varco_cli.failures import Misused, Refused
from varco_cli.output import Json
from varco_cli.recipient_limit import COUNT, DOMAIN, RecipientLimit, Server

app = group("try")


@app.callback()
def try_server() -> None:
    """Asks a mail server what it does. Sends no mail."""


@app.command("recipients")
def try_recipients(
    server: Annotated[str, typer.Argument(help="The server. Port 25 where none is named.", metavar="HOST[:PORT]")],
    most: Annotated[int, typer.Option("--max", help="Ask for no more than this.", min=1, max=10_000)] = COUNT,
    tls: Annotated[bool, typer.Option("--tls", help="Use TLS: STARTTLS, on port 465 from the start.")] = False,
    certificates: Annotated[str, typer.Option("--ca", help="File of the certificates to trust.", metavar="FILE")] = "",
    login: Annotated[str, typer.Option("--user", help="Log in; asks for the password.", metavar="NAME")] = "",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    sender: Annotated[str, typer.Option("--from", help="The sender to name.", metavar="ADDRESS")] = "",
    domain: Annotated[str, typer.Option("--domain", help="The domain of the recipients.")] = DOMAIN,
    as_json: Json = False,
) -> None:
    """Asks a server how many recipients it takes in one mail: MAIL, RCPT again and again, RSET.

    It prints the number at which the server stopped, and its words. Exit code 1 where it takes
    none.

    Example: `varco try recipients smtp.acme.example:587 --tls --user alice@acme.example`
    """
    host, port = _place(server)
    if login and not tls:
        raise Misused("--user needs --tls: the password would travel readable")
    password = _password(login, password_stdin) if login else ""
    asked = Server(host=host, port=port, tls=tls, ca=certificates, login=login, password=password)
    recipients = [*recipient_limit.addresses(most, domain)]
    limit = _ask(asked, sender or _sender(login), recipients)
    shown = {"server": f"{host}:{port}", "asked": most, "taken": limit.taken, "code": limit.code, "answer": limit.text}
    output.show(shown, as_json, lambda: _show(limit))
    if not limit.taken:
        raise Refused("the server takes no recipient: name another --from or --domain, or log in with --user")


def _place(server: str) -> tuple[str, int]:
    """Returns host and port of `host`, `host:port` or `[2001:db8::1]:port`. Raises Misused."""
    host, colon, port = server.rpartition(":")
    if not colon or server.endswith("]"):
        host, port = server, "25"
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise Misused(f"{server}: no server such as smtp.acme.example:587")
    return host.strip("[]"), int(port)


def _password(login: str, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise Misused("no terminal to ask for the password at: give it with --password-stdin")
    return str(typer.prompt(f"Password of {login}", hide_input=True, err=True))


def _sender(login: str) -> str:
    return login if "@" in login else f"{login or getpass.getuser()}@{socket.getfqdn()}"


def _ask(server: Server, sender: str, recipients: list[str]) -> RecipientLimit:
    progress, limit = output.TerminalProgress(), RecipientLimit(taken=0)
    try:
        for limit in recipient_limit.ask(server, sender, recipients):
            progress.show(f"{limit.taken} of {len(recipients)} taken")
    finally:
        progress.clear()
    return limit


def _show(limit: RecipientLimit) -> None:
    if limit.code:
        output.line(f"{limit.taken} recipients taken; number {limit.taken + 1} refused: {limit.code} {limit.text}")
    else:
        output.line(f"all {limit.taken} recipients taken: the server takes as many, or more")
