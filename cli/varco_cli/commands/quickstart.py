"""`varco quickstart`: asks a few questions and writes the first files of a company's gate."""

import secrets
from pathlib import Path
from typing import Annotated

import typer

from varco_cli import output
from varco_cli.failures import Refused
from varco_cli.output import Json
from varco_cli.quickstart import answers as parsing
from varco_cli.quickstart.answers import Answers
from varco_cli.quickstart.checks import CheckResult, check
from varco_cli.quickstart.files import texts
from varco_common.base.durable_file import write_durable


def quickstart(
    domain: Annotated[str, typer.Option(help="The company's domain, such as acme.example.")] = "",
    hostname: Annotated[str, typer.Option(help="Name of the gate in DNS. Default: smtp.<domain>.")] = "",
    next_hop: Annotated[
        str | None, typer.Option(help="Where mail goes: host:port of your provider, or `none` for now.")
    ] = None,
    next_hop_login: Annotated[str | None, typer.Option(help="Login at the next hop; empty for none.")] = None,
    next_hop_password_file: Annotated[
        Path | None, typer.Option(help="File with the password for the next hop.", exists=True, dir_okay=False)
    ] = None,
    senders: Annotated[
        str | None, typer.Option(help="Who may send: addresses and @domains, separated by commas.")
    ] = None,
    networks: Annotated[
        str | None, typer.Option(help="From where without a login: networks, separated by commas; `none`.")
    ] = None,
    directory: Annotated[Path, typer.Option(help="Where the files go.")] = Path("quickstart"),
    checks: Annotated[bool, typer.Option("--checks/--no-checks", help="Look at DNS, ports and next hop.")] = True,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: what is not given has its default.")] = False,
    as_json: Json = False,
) -> None:
    """Asks a few questions, checks the answers and writes the first files of a gate.

    The files are an account file, settings, a systemd unit, a Caddyfile and a checklist for the
    first day. Nothing is started or changed, and a file that exists is never overwritten.

    Examples: `varco quickstart` ·
    `varco quickstart --yes --domain acme.example --next-hop smtp.provider.example:587`
    """
    ask = _Questions(yes=yes)
    name = parsing.domain_name(ask(domain or None, "Your domain", ""))
    hop = parsing.next_hop(ask(next_hop, "Next hop, host:port (none: decide later)", "none"))
    login = ask(next_hop_login, "Login at the next hop (empty: none)", "") if hop else ""
    answers = Answers(
        domain=name,
        hostname=parsing.domain_name(ask(hostname or None, "Host name of the gate", f"smtp.{name}")),
        next_hop=hop,
        next_hop_login=login,
        next_hop_password=_password(next_hop_password_file, login, yes=yes),
        senders=parsing.senders(ask(senders, "Who may send (addresses, @domains)", f"@{name}"), name),
        networks=parsing.networks(ask(networks, "Networks that send without a login", "none")),
        user=f"gate@{name}",
        directory=directory.absolute(),
    )
    findings = _check(answers) if checks else []
    written = _write(answers)
    result = {
        "files": [str(path) for path in written],
        "account": answers.account,
        "checks": [finding.__dict__ for finding in findings],
    }
    output.show(result, as_json, lambda: _print(answers, written))


class _Questions:
    """Asks for what was not given. With `yes` it takes the default."""

    def __init__(self, *, yes: bool) -> None:
        self._yes = yes

    def __call__(self, given: str | None, question: str, default: str) -> str:
        if given is not None:
            return given
        return default if self._yes else str(typer.prompt(question, default=default or None, err=True))


def _password(file: Path | None, login: str, *, yes: bool) -> str:
    if file:
        return file.read_text().strip()
    if not login:
        return ""
    if yes:
        raise Refused("--next-hop-login needs --next-hop-password-file")
    return str(typer.prompt(f"Password of {login}", hide_input=True, err=True))


def _check(answers: Answers) -> list[CheckResult]:
    findings = []
    for finding in check(answers):
        findings.append(finding)
        mark = "!" if finding.advice else "ok"
        output.step(f"{mark:>2}  {finding.about}: {finding.found}" + (f" - {finding.advice}" if finding.advice else ""))
    return findings


def _write(answers: Answers) -> list[Path]:
    """Writes the files, with mode 0600 where they hold a password. Raises Refused."""
    files = {answers.directory / name: text for name, text in texts(answers, secrets.token_urlsafe(12)).items()}
    if there := [str(path) for path in files if path.exists()]:
        raise Refused(f"{', '.join(there)}: already there, nothing was written: give another --directory")
    answers.directory.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        write_durable(path, text, 0o600 if path.suffix == ".yaml" else 0o644)
    return list(files)


def _print(answers: Answers, written: list[Path]) -> None:
    for path in written:
        output.line(f"wrote {path}")
    output.line(f"Next: follow {answers.directory / 'CHECKLIST.md'}, or try it here and now:")
    output.line(f"  VARCO_HOSTNAME={answers.hostname} varco up")
    output.line(f"  varco apply -f {written[0]}")
