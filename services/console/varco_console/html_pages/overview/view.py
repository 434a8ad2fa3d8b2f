"""What the overview shows, from the answers of the services. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class ServiceHealth(NamedTuple):
    """One service. `state` is serving, degraded, down or away.

    `why` has a line for each check that fails.
    """

    name: str
    state: str
    why: tuple[str, ...]


class Overview(NamedTuple):
    """The whole page. What is None could not be asked."""

    services: tuple[ServiceHealth, ...]
    bans: int | None

    @property
    def all_well(self) -> bool:
        return all(service.state == "serving" for service in self.services)


def service_health(name: str, answer: Mapping[str, Any] | None) -> ServiceHealth:
    """`answer` is what /readyz said; None if nobody answered."""
    if answer is None:
        return ServiceHealth(name, "away", ())
    failed = ((check, state) for check, state in answer.get("checks", {}).items() if not state["ok"])
    return ServiceHealth(name, answer["state"], tuple(f"{check}: {state['why']}" for check, state in failed))


def overview(services: Mapping[str, Mapping[str, Any] | None], bans: Sequence[object] | None) -> Overview:
    return Overview(
        tuple(service_health(name, answer) for name, answer in services.items()), None if bans is None else len(bans)
    )
