"""What the owners of its sections answer about an account file. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from varco_common.account_file.owners import Owner
from varco_common.account_file.parsing import AccountFile


def sections_of(owner: Owner, answer: dict[str, Any]) -> dict[str, Any]:
    """The sections that the owner shows of an account, as a file has them."""
    return answer if owner.whole else {owner.sections[0]: answer.get(owner.sections[0], answer)}


def mistakes_with_places(file: AccountFile, owner: Owner, problem: Mapping[str, Any], detail: str) -> list[str]:
    """The errors of a problem document (RFC 9457), each with its line in the file.

    Where it lists none, its detail stands beside the line of the owner's section.
    """
    prefix = [] if owner.whole else list(owner.sections)
    mistakes = [f"{file.place([*prefix, *error['where'][1:]])}: {error['what']}" for error in problem.get("errors", [])]
    return [*dict.fromkeys(mistakes)] or [f"{file.place(prefix)}: {detail}"]


def losses(changes: Iterable[Mapping[str, Any]]) -> str:
    """What the changes remove and destroy, such as `removes sender @acme.example`."""
    changes = [*changes]
    removes = [name for change in changes for name in change["removes"]]
    destroys = [change["destroys"] for change in changes if change["destroys"]]
    parts = [f"removes {', '.join(removes)}"] if removes else []
    parts += [f"destroys {', '.join(destroys)}"] if destroys else []
    return " and ".join(parts)
