"""domains' metrics."""

from collections.abc import Callable, Iterable
from functools import partial

from prometheus_client import Counter, Gauge

from varco_common.events import Colour
from varco_common.events.domain_table import AccountDomain, AccountDomains
from varco_domains.decide import ProofResult
from varco_domains.dkim import KeyResult
from varco_domains.reputation.model import Reputation

STATUSES = ("proven", "vouched", "pending")

_domains = Gauge("varco_domains_domains", "Domains of accounts, by how they are owned.", ["status"])
_looks = Counter("varco_domains_proof_looks", "Looks at the TXT records of proofs, by what was found.", ["result"])

_reputations = Gauge("varco_domains_reputations", "Domains and addresses, by what the world sees of them.", ["colour"])

_key_looks = Counter("varco_domains_key_looks", "Looks at the records of DKIM keys, by what was found.", ["result"])

KEY_LOOKS = {result: _key_looks.labels(result.value) for result in KeyResult}
LOOKS = {result: _looks.labels(result.value) for result in ProofResult}


def status(domain: AccountDomain) -> str:
    """How the domain is owned: one of STATUSES."""
    if domain.proven_at:
        return "proven"
    return "vouched" if domain.owned else "pending"


def count_domains(states: Callable[[], Iterable[AccountDomains]]) -> None:
    """Keeps the gauges current."""
    for name in STATUSES:
        _domains.labels(name).set_function(partial(_count, states, name))


def _count(states: Callable[[], Iterable[AccountDomains]], name: str) -> int:
    return sum(status(domain) == name for state in states() for domain in state.domains.values())


def count_reputations(states: Callable[[], Iterable[Reputation]]) -> None:
    """Keeps the gauges current."""
    for colour in Colour:
        _reputations.labels(colour.value).set_function(partial(_count_colour, states, colour))


def _count_colour(states: Callable[[], Iterable[Reputation]], colour: Colour) -> int:
    return sum(state.colour is colour for state in states())
