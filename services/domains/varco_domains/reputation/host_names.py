"""Whether an address, its name and the name that we greet with agree. Pure."""

from collections.abc import Mapping
from ipaddress import ip_address

from varco_common.dns.answers import Absent, Answer, Found, Unknown
from varco_common.events import Colour, ReputationFinding

CHECK = "PTR"


def ptr_finding(
    address: str, greeting: str, names: Answer[str], addresses: Mapping[str, Answer[str]]
) -> ReputationFinding:
    """`names` are the PTR records of the address, `addresses` the address records of each name.

    `greeting` is the name of EHLO, which receivers compare.
    """
    match names:
        case Unknown(reason=reason):
            return ReputationFinding(check=CHECK, colour=Colour.UNKNOWN, text=f"cannot tell now: {reason}")
        case Absent():
            wanted = f"{_reverse(address)} PTR {greeting}."
            text = f"{address} has no name: many servers refuse it. Ask the provider of the address for the record"
            return ReputationFinding(check=CHECK, colour=Colour.RED, text=text, record=wanted)
        case Found(records=records):
            return _confirmed(address, greeting, records, addresses)


def _confirmed(
    address: str, greeting: str, names: tuple[str, ...], addresses: Mapping[str, Answer[str]]
) -> ReputationFinding:
    """RFC 8601 2.7.3 calls it iprev: the name must lead back to the address."""
    back = [name for name in names if isinstance(found := addresses.get(name), Found) and address in found.records]
    if greeting.lower() in back:
        return ReputationFinding(
            check=CHECK, colour=Colour.GREEN, text=f"{address} is {greeting}, which is how we greet"
        )
    if back:
        text = f"{address} is {back[0]}, but we greet as {greeting}: let VARCO_HOSTNAME and PTR agree"
        return ReputationFinding(
            check=CHECK, colour=Colour.AMBER, text=text, record=f"{_reverse(address)} PTR {greeting}."
        )
    if any(isinstance(addresses.get(name), Unknown) for name in names):
        return ReputationFinding(check=CHECK, colour=Colour.UNKNOWN, text=f"cannot tell now where {names[0]} leads")
    kind = "A" if ip_address(address).version == 4 else "AAAA"
    text = f"{address} says that it is {names[0]}, which does not lead back to it: many servers refuse that"
    return ReputationFinding(check=CHECK, colour=Colour.RED, text=text, record=f"{names[0]} {kind} {address}")


def _reverse(address: str) -> str:
    return ip_address(address).reverse_pointer
