"""`varco check` names what would go wrong, where, and what to write."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
import sqlalchemy as sa
from cli.tests.conftest import Varco

from varco_cli.checks.alerting import check_alerting
from varco_cli.checks.compose import check_compose
from varco_cli.checks.compose_model import ComposeModel
from varco_cli.checks.finding import CheckFinding
from varco_cli.checks.listeners import Listener, clashes, listeners
from varco_cli.commands.check import _held, _tried
from varco_cli.deployment import files
from varco_cli.stack import Ports
from varco_cli.stack.installed import installed_services
from varco_cli.stack.state_directory import StateDirectory
from varco_common.testing.postgres import STRICT_ROLE

_EXAMPLE = ", such as smtp.provider.example:587"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def gate(clean: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """The variables of a gate with which nothing is wrong."""
    ports = Ports.free()
    variables = {"VARCO_HOME": tmp_path / "var", "VARCO_HOSTNAME": "smtp.acme.example", **ports.environment}
    for name, value in (variables | {"VARCO_API_PORT": ports.api}).items():
        clean.setenv(name, str(value))
    return clean


def found(varco: Varco, code: int, *arguments: str) -> list[str]:
    ended = varco("check", *arguments)
    assert ended.code == code, ended.out
    return ended.out.splitlines()


def test_a_right_gate_has_no_finding_and_nothing_is_made(
    gate: pytest.MonkeyPatch, varco: Varco, tmp_path: Path
) -> None:
    assert found(varco, 0) == ["nothing is wrong"]
    assert not (tmp_path / "var").exists()


WRONG = {
    "VARCO_RELAY_GIVEUP": ("3 days", " is no setting: did you mean VARCO_RELAY_GIVE_UP?"),
    "VARCO_SMTP_PORT": ("smtp", "=smtp: expected a number, such as 500"),
    "VARCO_NATS_MAIL_DAYS": ("3", "=3: expected more than 5"),
    "VARCO_RELAY_CONNECTIONS": ("0", "=0: expected at least 1"),
    "VARCO_INGRESS_MAX_SIZE": ("large", "=large: expected a size such as 20MB, 256 KiB or 1000000"),
}


def test_every_wrong_variable_is_one_line(gate: pytest.MonkeyPatch, varco: Varco) -> None:
    for variable, (value, _) in WRONG.items():
        gate.setenv(variable, value)
    lines = found(varco, 2)
    assert sorted(lines) == sorted(f"environment: {variable}{line}" for variable, (_, line) in WRONG.items())


def test_a_file_of_variables_is_named_with_its_line(gate: pytest.MonkeyPatch, varco: Varco, tmp_path: Path) -> None:
    file = tmp_path / "varco.env"
    file.write_text("# the gate\nVARCO_LOG_LEVEL=warning\nVARCO_RELAY_RETRY_FRIST=5m\n")
    for name in ("VARCO_LOG_LEVEL", "VARCO_RELAY_RETRY_FRIST"):
        gate.setenv(name, "")  # so that what the command sets is undone
        gate.delenv(name)
    expected = f"{file}:3: VARCO_RELAY_RETRY_FRIST is no setting: did you mean VARCO_RELAY_RETRY_FIRST?"
    assert found(varco, 2, "--env-file", str(file)) == [expected]


def test_a_port_that_is_taken_is_named(gate: pytest.MonkeyPatch, varco: Varco) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        gate.setenv("VARCO_SMTP_PORT", str(other.getsockname()[1]))
        line = found(varco, 2)[0]
    assert line.startswith("environment: VARCO_SMTP_PORT=")
    assert "Address already in use" in line


def test_damaged_secrets_and_certificates_are_named(gate: pytest.MonkeyPatch, varco: Varco, tmp_path: Path) -> None:
    home = StateDirectory(tmp_path / "var")
    home.prepare("127.0.0.1")
    (home.secrets / "relay.key").write_text("no key of relay")
    (home.secrets / "token.key").write_text("short")
    (home.path / "tls" / "acme.crt").write_text("no certificate")
    lines = found(varco, 2)
    assert [line.partition(":")[0].rpartition("/")[2] for line in lines] == ["relay.key", "token.key", "warning"]
    assert "acme.crt: can't be used with acme.key" in lines[2]


def test_json_has_every_finding(gate: pytest.MonkeyPatch, varco: Varco) -> None:
    gate.setenv("VARCO_NATS_MAIL_DAYS", "3")
    answer = json.loads(varco("check", "--json").out)
    expected = {"where": "environment", "what": "VARCO_NATS_MAIL_DAYS=3", "write": "expected more than 5"}
    assert answer == {"ok": False, "findings": [expected | {"warning": False}]}


def test_what_was_tried_elsewhere_is_told_with_the_rest() -> None:
    finding = CheckFinding(where="database", what="no answer in time", write="start it")
    tried = json.dumps({"ok": False, "findings": [msgspec.to_builtins(finding)]})
    assert _tried(tried) == [finding]
    assert _tried("") == []


class Folder:
    """A deployment with two services. It is what `docker compose config` prints of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.home = StateDirectory(path / "var")
        files.make(self.home, path / ".env", installed_services(everywhere=True), "smtp.acme.example")
        self.environment = {"VARCO_HOSTNAME": "smtp.acme.example", "VARCO_NATS_PASSWORD_FILE": "/run/secrets/bus"}
        self.ports: list[dict[str, Any]] = []

    def write(self, name: str, *lines: str) -> None:
        (self.path / name).write_text("".join(f"{line}\n" for line in lines))

    @property
    def findings(self) -> list[str]:
        return [finding.line for finding in self.all()]

    def all(self, *held: Listener) -> list[CheckFinding]:
        tls = {"type": "bind", "source": str(self.home.path / "tls"), "target": "/var/lib/varco/tls"}
        service = {"environment": self.environment, "secrets": [{"source": "bus"}], "volumes": [tls]}
        mount = {"type": "bind", "source": str(self.home.path), "target": str(self.home.path)}
        document = {
            "services": {
                "relay": service,
                "ingress-smtp": service | {"ports": self.ports},
                "check": {"volumes": [mount]},
            },
            "secrets": {"bus": {"file": str(self.home.secrets / "nats-relay.password")}},
        }
        model = ComposeModel.read(json.dumps(document).encode())
        return list(check_compose(model, ROOT, self.path, held))


@pytest.fixture
def folder(clean: pytest.MonkeyPatch, tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_right_deployment_has_no_finding(folder: Folder) -> None:
    assert folder.findings == []


def test_a_variable_in_the_wrong_file_is_named(folder: Folder) -> None:
    folder.write(".env", "VARCO_SMPT_PORT=25", "VARCO_RELAY_CONNECTIONS=9")
    folder.write(
        "varco.env", "VARCO_RELAY_CONECTIONS=9", "VARCO_SMTP_PORT=25", "VARCO_PROCESSES=one", "VARCO_HOME=/srv"
    )
    assert folder.findings == [
        ".env:1: VARCO_SMPT_PORT is no setting: did you mean VARCO_SMTP_PORT?",
        ".env:2: VARCO_RELAY_CONNECTIONS has no effect in this file: write it into varco.env",
        "varco.env:1: VARCO_RELAY_CONECTIONS is no setting: did you mean VARCO_RELAY_CONNECTIONS?",
        "varco.env:2: VARCO_SMTP_PORT has no effect in this file: write it into .env",
        "varco.env:3: VARCO_PROCESSES has no effect here: remove it: it is for `varco up`, not for docker compose",
        "varco.env:4: VARCO_HOME is set for each container: write it into .env",
    ]


def test_a_wrong_name_hides_no_wrong_value(folder: Folder) -> None:
    folder.write("varco.env", "VARCO_RELAY_GIVEUP=3 days", "VARCO_RELAY_CONNECTIONS=0")
    folder.environment |= {"VARCO_RELAY_GIVEUP": "3 days", "VARCO_RELAY_CONNECTIONS": "0"}
    assert [line.partition(": ")[0] for line in folder.findings] == ["varco.env:1", "varco.env:2"]


def test_a_value_that_two_services_refuse_is_one_finding_of_its_file(folder: Folder) -> None:
    folder.write(".env", "VARCO_HOSTNAME=smtp_acme")
    folder.environment["VARCO_HOSTNAME"] = "smtp_acme"
    assert folder.findings == [".env:1: VARCO_HOSTNAME=smtp_acme: expected a host name"]


def test_a_missing_secret_is_named(folder: Folder) -> None:
    file = folder.home.secrets / "nats-relay.password"
    file.unlink()
    assert folder.findings[0].startswith(f"{file}: secret bus is missing: run `make secrets`")


def test_a_taken_port_is_named_except_where_the_gate_itself_has_it(folder: Folder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        folder.write(".env", f"VARCO_SMTP_PORT={port}")
        folder.ports = [{"published": str(port), "host_ip": "0.0.0.0", "target": 2525}]
        [line] = folder.findings
        assert line.startswith(f".env:1: port {port} of ingress-smtp is taken by another program: ")
        assert line.endswith("or set VARCO_SMTP_PORT in .env")
        assert folder.all(Listener("127.0.0.1", port)) == []


def test_an_address_of_another_machine_is_named(folder: Folder) -> None:
    folder.write(".env", "VARCO_PUBLISH=192.0.2.1")
    folder.ports = [{"published": "2525", "host_ip": "192.0.2.1", "target": 2525}]
    assert folder.findings[0].startswith(".env:1: ingress-smtp can't listen at 192.0.2.1, no address of this machine")


@pytest.mark.parametrize(
    ("to", "smarthost", "finding"),
    [
        ("https://alerts.example/hook", "", ""),
        ("slack+https://chat.example/hooks/x", "", ""),
        ("ops@acme.example", "smtp.provider.example:587", ""),
        ("", "", "warning: alerts reach nobody: set VARCO_ALERT_TO to the URL of a webhook or a mail address"),
        ("pager", "", "VARCO_ALERT_TO=pager: expected the URL of a webhook, or a mail address"),
        (
            "ops@acme.example",
            "",
            "VARCO_ALERT_TO=ops@acme.example needs a mail server that is not this gate: set VARCO_ALERT_SMARTHOST",
        ),
    ],
)
def test_alerts_that_would_reach_nobody_are_named(to: str, smarthost: str, finding: str) -> None:
    environ = {"VARCO_ALERT_TO": to, "VARCO_ALERT_SMARTHOST": smarthost}
    found = [
        ("warning: " if one.warning else "") + one.line.removeprefix(".env: ").removesuffix(_EXAMPLE)
        for one in check_alerting(environ, has_own_file=False, where=lambda _: "")
    ]
    assert found == [finding] * bool(finding)


def test_a_certificate_that_cannot_be_read_is_a_warning_while_another_one_is_good(folder: Folder) -> None:
    (folder.home.path / "tls" / "acme.crt").write_text("no certificate")
    assert [finding.warning for finding in folder.all()] == [True]
    for file in (folder.home.path / "tls").glob("localhost.*"):
        file.unlink()
    assert [finding.warning for finding in folder.all()] == [True, False]


def test_the_kernels_list_has_a_listener_at_either_kind_of_address() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as four,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as six,
    ):
        expected = {Listener("127.0.0.1", four.getsockname()[1]), Listener("::1", six.getsockname()[1])}
        assert expected <= listeners()


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [("127.0.0.1", "127.0.0.2", False), ("0.0.0.0", "127.0.0.2", True), ("192.0.2.1", "::", True)],
)
def test_a_port_is_taken_at_one_address_or_at_all(first: str, second: str, *, clash: bool) -> None:
    assert clashes(Listener(first, 25), Listener(second, 25)) is clash


def test_the_ports_that_docker_lists_are_read() -> None:
    assert _held("127.0.0.1:25->2525/tcp, :::587->2587/tcp 2110/tcp") == [
        Listener("127.0.0.1", 25),
        Listener("::", 587),
    ]


def test_a_password_that_the_database_refuses_is_named(
    gate: pytest.MonkeyPatch, varco: Varco, postgres_url: str, tmp_path: Path
) -> None:
    url = sa.make_url(postgres_url)

    async def as_superuser(statement: str) -> None:
        connection = await asyncpg.connect(user="postgres", host=url.host, port=url.port, database=url.database)
        await connection.execute(statement)
        await connection.close()

    (tmp_path / "password").write_text("wrong")
    gate.setenv("VARCO_DATABASE_URL", url.set(username=STRICT_ROLE).render_as_string())
    gate.setenv("VARCO_DATABASE_PASSWORD_FILE", str(tmp_path / "password"))
    asyncio.run(as_superuser(f"CREATE ROLE {STRICT_ROLE} LOGIN PASSWORD 'right'"))
    try:
        [line] = found(varco, 2, "--connections")
        (tmp_path / "password").write_text("right")
        assert found(varco, 0, "--connections") == ["nothing is wrong"]
    finally:
        asyncio.run(as_superuser(f"DROP ROLE {STRICT_ROLE}"))
    assert line.startswith("database: VARCO_DATABASE_URL=")
    assert line.endswith(f'password authentication failed for user "{STRICT_ROLE}"')


def test_servers_that_are_away_are_named(gate: pytest.MonkeyPatch, varco: Varco) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    gate.setenv("VARCO_NATS_URL", f"nats://127.0.0.1:{port}")
    gate.setenv("VARCO_DATABASE_URL", f"postgresql+asyncpg://varco@127.0.0.1:{port}/varco")
    gate.setenv("VARCO_S3_ENDPOINT", f"http://127.0.0.1:{port}")
    lines = found(varco, 2, "--connections")
    assert [line.partition(": ")[0] for line in lines] == ["bus", "database", "object store"]
