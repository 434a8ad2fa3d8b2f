"""What `varco check` finds before `varco up`. Nothing is made or changed."""

import errno
import os
from collections.abc import Callable, Iterator, Sequence

import msgspec

from varco_cli.checks import home_files
from varco_cli.checks.broken_values import broken_values
from varco_cli.checks.env_file import Assignment, origin
from varco_cli.checks.finding import CheckFinding, of_broken
from varco_cli.checks.host_name import check_host_name
from varco_cli.stack.installed import ServiceDescription, installed_services
from varco_cli.stack.port_assignment import api_ports, taken_ports
from varco_cli.stack.settings import StackSettings
from varco_cli.stack.state_directory import StateDirectory
from varco_cli.stack.variable_names import unknown_names
from varco_common.base.settings import broken_settings

Where = Callable[[str], str]


def check_embedded(file: Sequence[Assignment]) -> Iterator[CheckFinding]:
    """Yields what would go wrong with the variables of this process, which `file` may have set."""

    def where(name: str) -> str:
        return origin(name, file) or "environment"

    services = installed_services()
    unknown = unknown_names(os.environ, services)
    for name, words in unknown.items():
        yield CheckFinding(where=where(name), what=f"{name} is no setting", write=words)
    found = broken_settings(StackSettings, os.environ)
    yield from (of_broken(where(error.variable), error) for error in found)
    given = {name: value for name, value in os.environ.items() if name not in unknown}
    for value in broken_values({service.name: given for service in services}):
        what, _, expected = value.text.partition(": expected ")
        yield CheckFinding(where=where(value.variable), what=what, write=f"expected {expected}")
    if not found:
        yield from _of_home(StackSettings(), services, where)
    yield from check_host_name(os.environ, where)


def _of_home(settings: StackSettings, services: Sequence[ServiceDescription], where: Where) -> Iterator[CheckFinding]:
    home = StateDirectory(settings.home.absolute())
    yield from home_files.check_secrets(home.secrets, home.secrets)
    tls = home.certificate.parent
    yield from home_files.check_certificates(tls, tls)
    if not home.running():  # the ports of a running gate are its own
        for error in taken_ports(settings, services, api_ports(home, settings.api_port, services)):
            finding = of_broken(where(error.variable), error)
            # systemd may give the right to listen below 1024, which whoever types this lacks
            yield msgspec.structs.replace(finding, warning=os.strerror(errno.EACCES) in str(error))
