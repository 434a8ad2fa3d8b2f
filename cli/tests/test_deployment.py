"""`varco init` creates what docker compose needs, and the compose file has every service."""

import importlib.util
import json
import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from varco_cli.commands.init import init
from varco_cli.deployment import files
from varco_cli.deployment.ready import role_password
from varco_cli.stack.environment import retention_services, voters
from varco_cli.stack.installed import ServiceDescription, installed_services
from varco_cli.stack.state_directory import StateDirectory
from varco_common.base.settings import BrokenSetting

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def services() -> list[ServiceDescription]:
    return installed_services(everywhere=True)


@pytest.fixture
def home(tmp_path: Path, services: list[ServiceDescription]) -> StateDirectory:
    home = StateDirectory(tmp_path / "var")
    files.make(home, tmp_path / ".env", services, "smtp.acme.test")
    return home


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    text = (ROOT / "docker-compose.yml").read_text()
    return dict(yaml.safe_load(re.sub(r"!(reset|override)", "", text)))


def contents(folder: Path) -> dict[Path, str]:
    return {path: path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_every_secret_is_random_and_nobody_elses(home: StateDirectory) -> None:
    secrets = list(home.secrets.iterdir())

    assert len({path.read_text() for path in secrets}) == len(secrets) > 20
    assert {path.stat().st_mode & 0o777 for path in [*secrets, home.admin_token]} == {0o600}
    assert home.secrets.stat().st_mode & 0o777 == 0o700


def test_what_is_there_is_never_overwritten(home: StateDirectory, services: list[ServiceDescription]) -> None:
    environment = home.path.with_name(".env")
    environment.write_text(environment.read_text() + "VARCO_SMTP_PORT=25\n")
    before = contents(home.path.parent)

    files.make(home, environment, services, "another.name.test")

    assert contents(home.path.parent) == before


def test_a_variable_that_env_lacks_is_added(home: StateDirectory, services: list[ServiceDescription]) -> None:
    environment = home.path.with_name(".env")
    environment.write_text("VARCO_UID=1234\nVARCO_SMTP_PORT=25")

    files.make(home, environment, services, "smtp.acme.test")

    lines = environment.read_text().splitlines()
    assert lines[:2] == ["VARCO_UID=1234", "VARCO_SMTP_PORT=25"]
    assert "VARCO_HOSTNAME=smtp.acme.test" in lines


def test_containers_never_run_as_root(home: StateDirectory) -> None:
    variables = dict(line.split("=", 1) for line in home.path.with_name(".env").read_text().splitlines())

    assert int(variables["VARCO_UID"]) > 0
    assert home.token_key.stat().st_uid == int(variables["VARCO_UID"])


def test_the_bus_knows_every_service_by_its_own_password(
    home: StateDirectory, services: list[ServiceDescription]
) -> None:
    text = (home.path / "bus" / "nats.conf").read_text()
    users = json.loads(text[text.index("users:") + len("users:") : text.rindex("]") + 1])

    by_name = {user["user"]: user for user in users}
    assert set(by_name) == {"operator", *(service.name for service in services)}
    assert by_name["policy"]["password"] == home.bus_password("policy").read_text().strip()
    assert "permissions" in by_name["policy"]


def test_every_service_stands_in_the_compose_file(compose: dict[str, Any], services: list[ServiceDescription]) -> None:
    for service in services:
        part = compose["services"][service.name]
        environment = part["environment"]
        assert environment["VARCO_NATS_USER"] == service.name
        assert environment["VARCO_NATS_PASSWORD_FILE"] == f"/run/secrets/nats-{service.name}.password"
        names = {secret if isinstance(secret, str) else secret["source"] for secret in part["secrets"]}
        assert f"nats-{service.name}.password" in names
        assert (f"db-{service.name}.password" in names) == service.tables
        assert (f"db-{service.name}.password" in compose["services"]["prepare"]["secrets"]) == service.tables


def test_all_voters_vote_in_compose_too(compose: dict[str, Any], services: list[ServiceDescription]) -> None:
    listed = compose["services"]["ingress-smtp"]["environment"]["VARCO_INGRESS_VOTERS"]

    assert set(listed.split(",")) == set(voters(services).split(","))


def test_all_keepers_are_asked_in_compose_too(compose: dict[str, Any], services: list[ServiceDescription]) -> None:
    listed = compose["services"]["audit"]["environment"]["VARCO_AUDIT_KEEPERS"]

    assert set(listed.split(",")) == set(retention_services(services).split(","))


def test_every_secret_of_the_compose_file_is_made(compose: dict[str, Any], home: StateDirectory) -> None:
    for name, secret in compose["secrets"].items():
        made = home.path / secret["file"].partition("}/")[2]
        assert made.is_file(), name


def requirements() -> ModuleType:
    spec = importlib.util.spec_from_file_location("requirements_of", ROOT / "docker" / "requirements_of.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("image", ["cli", *(path.name for path in sorted((ROOT / "services").iterdir()))])
def test_an_image_has_what_its_packages_need_and_no_test_tools(image: str) -> None:
    module = requirements()
    lock = module.blocks((ROOT / "requirements.lock").read_text())
    have = module.of("common", lock) | module.of(image, lock)

    needs = {name for package in [*have, f"varco-{image}", "varco-common"] for name in _needs(package)}

    assert needs - have - module.EMBEDDED - {"varco-common"} == set()
    assert have & {"pytest", "mypy", "ruff", "hatchling", "hypothesis"} == set()


def _needs(package: str) -> set[str]:
    """Returns what the package needs here, without extras; empty where it is for other systems."""
    try:
        requirements = map(Requirement, requires(package) or [])
    except PackageNotFoundError:
        return set()
    return {
        requirement.name.lower().replace("_", "-")
        for requirement in requirements
        if not requirement.marker or requirement.marker.evaluate({"extra": ""})
    }


def test_the_command_says_where_the_secrets_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("VARCO_HOME", str(tmp_path / "var"))

    init(environment=tmp_path / ".env", hostname="smtp.acme.test")

    assert str(tmp_path / "var" / "secrets") in capsys.readouterr().out


def test_a_password_that_cant_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BrokenSetting, match=r"db-policy\.password in it \(No such file or directory\)"):
        role_password(tmp_path, "policy")


def test_ports_and_bus_stay_where_a_service_or_its_settings_change(compose: dict[str, Any]) -> None:
    """What ingress waits for are the voters. What the bus waits for has an image that stays."""
    services = compose["services"]
    assert set(services["ingress-smtp"]["depends_on"]) == {
        "prepare", "gate", "policy", "ratelimit", "banguard", "filelink",
    }  # fmt: skip
    assert not services["volumes"]["image"].startswith("varco/")
    assert not services["gate"]["image"].startswith("varco/")


def test_every_service_with_tables_finds_a_database_elsewhere(services: list[ServiceDescription]) -> None:
    text = re.sub(r"!reset", "", (ROOT / "compose.external.yml").read_text())
    external = yaml.safe_load(text)["services"]
    for service in services:
        if service.tables:
            name = service.name.replace("-", "_")
            url = external[service.name]["environment"]["VARCO_DATABASE_URL"]
            assert url == f"postgresql+asyncpg://{name}@${{VARCO_DATABASE_SERVER}}"
