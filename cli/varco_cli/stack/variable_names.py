"""Refuses variables that nothing reads, before anything starts: they are misspelt."""

from collections.abc import Iterable, Mapping

from varco_cli.stack.installed import ServiceDescription
from varco_cli.stack.process import BrokenStart
from varco_cli.stack.settings import StackSettings
from varco_common.base.settings import known_variables
from varco_common.base.wording import near

# Those of the command line, of the compose files, and of programs that start a stack.
_WORDS = """
    ALERTMANAGER_IMAGE ALERTMANAGER_PORT ALERT_CONFIG ALERT_SMARTHOST ALERT_TO
    API_DOMAIN APIS BACKUPS ENVIRONMENTS EXPORTS FILES GATE_IMAGE GID GRAFANA_IMAGE GRAFANA_PORT HTTPS_PORT HTTP_PORT
    CONSOLE_DOMAIN LINKS_DOMAIN LOG_DRIVER NATS_IMAGE NODE POSTGRES_IMAGE PROMETHEUS_IMAGE PROMETHEUS_KEEP PROXY_IMAGE
    PUBLISH READY_DESCRIPTOR RESOLVER S3_IMAGE SETTINGS TOKEN UID VERSION
"""
_OTHERS = frozenset(f"VARCO_{word}" for word in _WORDS.split())
_PREFIXES = ("VARCO_TEST_", "VARCO_PREPARE_", "VARCO_FIREWALL_")  # of tests, and of parts that may not run here


def check_names(environ: Mapping[str, str], services: Iterable[ServiceDescription]) -> None:
    """Raises BrokenStart with a line for each variable that nothing reads."""
    if wrong := unknown_names(environ, services):
        raise BrokenStart("\n".join(f"{name} is no setting: {words}" for name, words in wrong.items()))


def unknown_names(environ: Mapping[str, str], services: Iterable[ServiceDescription]) -> dict[str, str]:
    """Returns each variable that nothing reads, with what was probably meant."""
    known = _OTHERS.union(known_variables(StackSettings), *(service.variables for service in services))
    wrong = [name for name in sorted(environ) if name.startswith("VARCO_") and not _is_known(name, known)]
    return {name: meant(name, known) for name in wrong}


def _is_known(name: str, known: Iterable[str]) -> bool:
    return name in known or name.startswith(_PREFIXES)


def meant(name: str, known: Iterable[str]) -> str:
    """Returns `did you mean VARCO_HOME?`, or where all names are listed."""
    words = near(name, known, fold=False).removeprefix(": ")
    return words if words.startswith("did you mean") else "docs/configuration.md lists all of them"
