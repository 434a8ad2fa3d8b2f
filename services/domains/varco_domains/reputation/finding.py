"""What several checks share: the colour of the whole, and records as DNS panels show them."""

from collections.abc import Iterable

from varco_common.events import Colour, ReputationFinding

_ORDER = (Colour.RED, Colour.AMBER, Colour.UNKNOWN, Colour.GREEN)


def worst(findings: Iterable[ReputationFinding]) -> Colour:
    """The colour of the whole: a red check is not made good by green ones."""
    colours = {finding.colour for finding in findings}
    return next((colour for colour in _ORDER if colour in colours), Colour.UNKNOWN)


def txt(name: str, value: str) -> str:
    """A TXT record as DNS panels show it."""
    return f'{name} TXT "{value}"'
