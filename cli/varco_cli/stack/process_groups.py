"""Which services share a process of `varco up`.

Services share one where the mail would stand still or go on all the same without any of them. What
reads the mail of strangers is alone: ingress-smtp, and filelink, which votes, too (ADR 46).
"""

from collections.abc import Iterable
from typing import Literal

from varco_cli.stack.installed import ServiceDescription

Processes = Literal["groups", "each", "one"]

_TOGETHER = "services"
_GROUPS = {
    "voters": ("banguard", "policy", "ratelimit"),  # a verdict needs the votes of all
    "background": ("archive", "audit", "console", "domains"),  # no verdict and no delivery waits for them
}
_GROUP_OF = {service: group for group, services in _GROUPS.items() for service in services}


def grouped(services: Iterable[ServiceDescription], processes: Processes) -> dict[str, list[ServiceDescription]]:
    """Returns the services of each process, by the name of the process."""
    groups: dict[str, list[ServiceDescription]] = {}
    for service in services:
        groups.setdefault(_process_of(service.name, processes), []).append(service)
    return groups


def _process_of(service: str, processes: Processes) -> str:
    match processes:
        case "one":
            return _TOGETHER
        case "groups":
            return _GROUP_OF.get(service, service)
        case "each":
            return service
