"""What `varco check` finds in a deployment with docker compose. Nothing needs to run."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from varco_cli.checks import home_files
from varco_cli.checks.alerting import check_alerting
from varco_cli.checks.broken_values import BrokenValue, broken_values
from varco_cli.checks.compose_files import check_env, check_settings, interpolated, port_variables
from varco_cli.checks.compose_model import ComposeModel
from varco_cli.checks.env_file import Assignment, assignments, origin
from varco_cli.checks.finding import CheckFinding
from varco_cli.checks.host_name import check_host_name
from varco_cli.checks.listeners import Listener, clashes, is_own, listeners
from varco_cli.stack.installed import installed_services
from varco_cli.stack.settings import StackSettings
from varco_common.base.settings import known_variables

_ENV, _SETTINGS = ".env", "varco.env"
_MAKE = "run `make secrets`, or restore it from a backup"


def check_compose(
    model: ComposeModel, folder: Path, settings_folder: Path, held: Iterable[Listener]
) -> Iterator[CheckFinding]:
    """Yields what would go wrong. `folder` has the compose files, the other one .env and varco.env.

    `held` are the ports that the running containers of this deployment publish.
    """
    env, unread_env = _read(settings_folder / _ENV)
    settings, unread_settings = _read(settings_folder / _SETTINGS)
    yield from [*unread_env, *unread_settings]
    known = {name for service in installed_services(everywhere=True) for name in service.variables}
    used, environments = interpolated(folder), model.environments()
    yield from check_env(env, used, known)
    yield from check_settings(settings, used, known, known_variables(StackSettings), environments)

    def where(name: str) -> str:
        return origin(name, env, settings)

    yield from _values(model, known, where)
    yield from _secrets(model)
    yield from _tls(model)
    yield from _ports(model, list(held), port_variables(folder, env), where)
    yield from check_host_name(environments.get("ingress-smtp", {}), lambda name: where(name) or _ENV)
    if alertmanager := environments.get("alertmanager"):
        yield from check_alerting(alertmanager, bool(where("VARCO_ALERT_CONFIG")), where)


def _read(file: Path) -> tuple[list[Assignment], list[CheckFinding]]:
    if not file.exists():
        return [], []
    try:
        return assignments(file, file.name), []
    except OSError as error:
        write = "make it readable for the user VARCO_UID (mode 0644; it holds no secret)"
        return [], [CheckFinding(where=file.name, what=f"not checked ({error.strerror})", write=write, warning=True)]


def _values(model: ComposeModel, known: Container[str], where: Callable[[str], str]) -> Iterator[CheckFinding]:
    """A value that several services refuse is one finding."""
    by_text: dict[str, list[BrokenValue]] = {}
    for value in broken_values(model.environments()):
        by_text.setdefault(value.text, []).append(value)
    for text, values in by_text.items():
        services = ", ".join(value.service for value in values)
        what, _, expected = text.partition(": expected ")
        is_named = values[0].variable not in known or any(
            what.endswith(f"={model.local(file)}") for file in _missing(model).values()
        )
        if not is_named:  # by the check of names, or by that of secrets
            place = where(values[0].variable) or f"docker-compose.yml, {services}"
            yield CheckFinding(where=place, what=what, write=f"expected {expected}")


def _missing(model: ComposeModel) -> dict[str, Path]:
    """Returns the secrets that a service reads and that are not there."""
    needed = model.needed_secrets().items()
    return {name: file for name, file in needed if (local := model.local(file)) and not local.exists()}


def _secrets(model: ComposeModel) -> Iterator[CheckFinding]:
    for name, file in _missing(model).items():
        yield CheckFinding(where=str(file), what=f"secret {name} is missing", write=_MAKE)
    for folder in {file.parent for file in model.secrets.values()}:
        if local := model.local(folder):
            yield from home_files.check_secrets(local, folder)


def _tls(model: ComposeModel) -> Iterator[CheckFinding]:
    for mount in model.services.get("ingress-smtp", {}).get("volumes") or ():
        if mount["type"] == "bind" and mount["target"].endswith("/tls"):
            folder = Path(mount["source"])
            if (local := model.local(folder)) and local.is_dir():
                yield from home_files.check_certificates(local, folder)
            elif local:
                yield CheckFinding(where=str(folder), what="no certificates are there", write=_MAKE)


def _ports(
    model: ComposeModel, held: Sequence[Listener], variables: Mapping[int, str], where: Callable[[str], str]
) -> Iterator[CheckFinding]:
    taken = {listener for listener in listeners() if not any(listener.port == own.port for own in held)}
    seen: list[tuple[str, Listener]] = []
    for service, listener in model.published():
        variable = variables.get(listener.port, "its port")
        place = where(variable) or f"docker-compose.yml, {service}"
        port, write = f"port {listener.port} of {service}", f"set {variable} in .env"
        if listener.address and not is_own(listener.address):
            what = f"{service} can't listen at {listener.address}, no address of this machine"
            yield CheckFinding(
                where=where("VARCO_PUBLISH") or place, what=what, write="set VARCO_PUBLISH to one that is"
            )
        elif any(clashes(listener, other) for other in taken):
            what = f"{port} is taken by another program"
            command = f"sport = :{listener.port}"
            yield CheckFinding(where=place, what=what, write=f"end that one (`ss -ltnp '{command}'`), or {write}")
        if twice := [other for other, former in seen if clashes(listener, former)]:
            yield CheckFinding(where=place, what=f"{port} is published by {twice[0]} as well", write=write)
        seen.append((service, listener))
