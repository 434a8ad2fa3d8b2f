"""The service that owns each section of an account file, and what is sent to it. Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Owner(NamedTuple):
    """A service, its sections, and the path to which they are sent.

    With `whole` they are sent as one document; otherwise the value of the only section is sent.
    """

    service: str
    path: str
    sections: tuple[str, ...]
    whole: bool = False


OWNERS = (
    Owner(
        "policy",
        "/accounts/{account}",
        ("language", "time_zone", "hosts", "users", "senders", "networks", "rules", "notices"),
        whole=True,
    ),
    Owner("domains", "/accounts/{account}/domains", ("domains",)),  # after the senders that need them
    Owner("relay", "/accounts/{account}/route", ("route",)),
    Owner("relay", "/accounts/{account}/routes", ("routes",)),
    Owner("ratelimit", "/accounts/{account}/quotas", ("quotas",)),
    Owner("filelink", "/accounts/{account}/filelink", ("filelink",)),
    Owner("archive", "/accounts/{account}/archive", ("archive",)),
)
KEYS = ("account", *(section for owner in OWNERS for section in owner.sections))


def body(owner: Owner, sections: Mapping[str, Any]) -> Any:
    """Returns the document for the owner, empty where the file has none of its sections."""
    its = {section: value for section, value in sections.items() if section in owner.sections}
    if not its:
        return {}
    return its if owner.whole else its[owner.sections[0]]
