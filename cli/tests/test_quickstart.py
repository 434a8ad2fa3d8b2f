"""`varco quickstart` asks, checks, and writes files that work as they are."""

import asyncio
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from varco_cli.failures import Misused
from varco_cli.quickstart import answers
from varco_cli.stack import Stack
from varco_common.testing.next_hop import NextHop

Varco = Callable[..., Any]

GIVEN = ("--yes", "--no-checks", "--domain", "acme.example")


def test_nothing_but_the_domain_has_to_be_said(varco: Varco, tmp_path: Path) -> None:
    made = varco("quickstart", *GIVEN, "--directory", str(tmp_path / "new"))
    assert made.code == 0, made.error
    account = yaml.safe_load((tmp_path / "new" / "acme.yaml").read_text())
    assert (account["account"], account["senders"], account["route"]) == ("acme", ["@acme.example"], "blackhole")
    assert "VARCO_HOSTNAME=smtp.acme.example" in (tmp_path / "new" / "varco.env").read_text()
    assert "VARCO_SMTP_PORT=25\n" in (tmp_path / "new" / "varco.env").read_text()


def test_the_file_with_passwords_is_for_its_owner_alone(varco: Varco, tmp_path: Path) -> None:
    varco("quickstart", *GIVEN, "--directory", str(tmp_path))
    assert stat.S_IMODE((tmp_path / "acme.yaml").stat().st_mode) == 0o600


def test_a_file_that_is_there_is_never_overwritten(varco: Varco, tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text("mine")
    made = varco("quickstart", *GIVEN, "--directory", str(tmp_path))
    assert (made.code, "already there" in made.error) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["acme.yaml"]
    assert (tmp_path / "acme.yaml").read_text() == "mine"


@pytest.mark.asyncio(loop_scope="session")
async def test_the_account_file_is_applied_as_it_stands(
    varco: Varco, stack: Stack, hop: NextHop, tmp_path: Path, clean: pytest.MonkeyPatch
) -> None:
    clean.setenv("VARCO_HOME", str(stack.home.path))
    options = ("--yes", "--no-checks", "--domain", "quick.example", "--next-hop", f"127.0.0.1:{hop.port}")
    made = await asyncio.to_thread(
        varco, "quickstart", *options, "--networks", "203.0.113.224/28", "--directory", str(tmp_path)
    )
    assert made.code == 0, made.error
    applied = await asyncio.to_thread(varco, "apply", "-f", str(tmp_path / "quick.yaml"), "--yes")
    assert applied.code == 0, applied.error
    shown = yaml.safe_load((await asyncio.to_thread(varco, "show", "quick")).out)
    assert shown["route"]["smarthost"] == f"127.0.0.1:{hop.port}"


@pytest.mark.asyncio(loop_scope="session")
async def test_a_next_hop_without_tls_is_said(varco: Varco, hop: NextHop, tmp_path: Path) -> None:
    options = (
        "--yes",
        "--domain",
        "acme.example",
        "--hostname",
        "nowhere.invalid",
        "--next-hop",
        f"127.0.0.1:{hop.port}",
    )
    made = await asyncio.to_thread(varco, "quickstart", *options, "--directory", str(tmp_path))
    assert made.code == 0, made.error
    assert "offers no TLS" in made.error
    assert "nowhere.invalid: not found in DNS" in made.error
    assert "publish an A or AAAA record for nowhere.invalid" in made.error


def test_a_next_hop_that_is_down_is_said(varco: Varco, tmp_path: Path) -> None:
    options = ("--yes", "--domain", "acme.example", "--next-hop", "127.0.0.1:1")
    made = varco("quickstart", *options, "--directory", str(tmp_path), "--json")
    assert made.code == 0, made.error
    assert "no SMTP session: Connection refused" in made.out


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_takes_the_unit(varco: Varco, tmp_path: Path) -> None:
    varco("quickstart", *GIVEN, "--directory", str(tmp_path))
    done = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / "varco.service"], capture_output=True, text=True, check=False
    )
    assert "Unknown" not in done.stderr


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        (answers.domain_name, "acme", "a domain with a dot"),
        (answers.domain_name, "@acme.example", "a domain with a dot"),
        (answers.next_hop, "smtp.provider.example:many", "a host and its port"),
        (lambda text: answers.senders(text, "acme.example"), "sales@@acme.example", "an address or a domain"),
        (answers.networks, "192.0.2.1/28", "a network, such as"),
    ],
    ids=["no dot", "an address", "a port", "two signs", "host bits"],
)
def test_a_wrong_answer_is_told_the_right_form(parse: object, text: str, expected: str) -> None:
    with pytest.raises(Misused, match=expected):
        parse(text)  # type: ignore[operator]


def test_an_idn_domain_is_written_as_dns_has_it() -> None:
    assert answers.domain_name("Müller.example") == "xn--mller-kva.example"
