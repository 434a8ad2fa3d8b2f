"""The files of a company's gate: pure, from answers to texts."""

import sys
from collections.abc import Mapping
from pathlib import Path
from string import Template

import yaml

from varco_cli.quickstart.answers import LOW_PORTS, Answers

TEMPLATES = Path(__file__).parent / "templates"


def texts(answers: Answers, user_password: str) -> Mapping[str, str]:
    """Returns the text of each file by its name below `answers.directory`."""
    names = _names(answers)
    filled = {
        name: Template((TEMPLATES / f"{name}.template").read_text()).substitute(names)
        for name in ("varco.env", "varco.service", "Caddyfile", "CHECKLIST.md")
    }
    return {f"{answers.account}.yaml": _account_file(answers, user_password), **filled}


def _names(answers: Answers) -> dict[str, str]:
    return {
        "account": answers.account,
        "domain": answers.domain,
        "hostname": answers.hostname,
        "next_hop": answers.next_hop or "(none yet)",
        "user": answers.user,
        "directory": str(answers.directory),
        "varco": str(Path(sys.executable).with_name("varco")),
        "ports": "\n".join(f"{name}={port}" for name, port in LOW_PORTS.items()),
    }


def _account_file(answers: Answers, user_password: str) -> str:
    content = {
        "account": answers.account,
        "users": [{"login": answers.user, "password": user_password}],
        "senders": list(answers.senders),
        "networks": list(answers.networks),
        "route": _route(answers),
    }
    header = (
        f"# The account of {answers.domain}. It holds passwords: keep it readable by you alone.\n"
        "# Change it at any time: `varco apply` shows the difference before it does anything.\n"
    )
    return header + yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _route(answers: Answers) -> object:
    if not answers.next_hop:
        return "blackhole"
    route = {"smarthost": answers.next_hop, "tls": "required"}
    if answers.next_hop_login:
        route |= {"login": answers.next_hop_login, "password": answers.next_hop_password}
    return route
