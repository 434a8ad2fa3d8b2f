"""MTA-STS policies of recipients' domains (RFC 8461).

Folded from events. Pure.
"""

from datetime import datetime, timedelta

import msgspec

from varco_common.events import AnyEvent, StsMode, StsPolicyFetched
from varco_common.eventsourcing.projection_spec import ProjectionSpec

MAX_AGE = 31_557_600  # seconds; RFC 8461 3.2


class StsPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """As StsPolicyFetched. `fetched_at` is when it was fetched last."""

    policy: str
    mode: StsMode
    mx: tuple[str, ...]
    max_age: int
    fetched_at: datetime

    def holds(self, now: datetime) -> bool:
        """RFC 8461 3.2: for `max_age`, also if it can't be fetched any more."""
        return now < self.fetched_at + timedelta(seconds=self.max_age)

    def is_stale(self, now: datetime) -> bool:
        """Whether it is time to fetch it again, before it ends."""
        return now >= self.fetched_at + timedelta(seconds=self.max_age / 2)

    def allows(self, host: str) -> bool:
        """Whether the host may take the domain's mail (RFC 8461 4.1)."""
        name = host.lower()
        return any(_covers(pattern, name) for pattern in self.mx)


def apply(state: StsPolicy | None, event: AnyEvent) -> StsPolicy | None:
    """The state after the event."""
    if not isinstance(event, StsPolicyFetched):
        return state
    return StsPolicy(policy=event.policy, mode=event.mode, mx=event.mx, max_age=event.max_age, fetched_at=event.at)


def parse_policy(text: str) -> tuple[StsMode, tuple[str, ...], int]:
    """Mode, patterns and seconds of a policy file (RFC 8461 3.2). Raises ValueError."""
    fields: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip(), []).append(value.strip())
    if fields.get("version") != ["STSv1"]:
        raise ValueError("it is no policy of version STSv1")
    mode = StsMode(fields.get("mode", [""])[0])
    hosts = tuple(host.lower().rstrip(".") for host in fields.get("mx", ()))
    if not hosts and mode is not StsMode.NONE:
        raise ValueError("it names no mx")
    return mode, hosts, min(int(fields.get("max_age", ["-"])[0]), MAX_AGE)


def policy_id(records: tuple[str, ...]) -> str:
    """The id in the TXT records of `_mta-sts.<domain>`; empty: no policy (RFC 8461 3.1)."""
    policies = [record for record in records if record.split(";")[0].strip() == "v=STSv1"]
    if len(policies) != 1:
        return ""
    fields = dict(field.strip().partition("=")[::2] for field in policies[0].split(";") if "=" in field)
    return fields.get("id", "").strip()


def _covers(pattern: str, host: str) -> bool:
    """RFC 8461 4.1: a wildcard stands for one label."""
    if pattern.startswith("*."):
        return host.partition(".")[2] == pattern[2:]
    return host == pattern


PROJECTION = ProjectionSpec("sts_policies", (StsPolicyFetched.subject_filter(),), apply, StsPolicy)
