"""What a DNS block list says of an address or a domain, and whether it speaks to us. Pure.

RFC 5782: an entry is an A record in 127.0.0.0/8. Section 5: a list has a test entry, and never has
127.0.0.1 or INVALID; so a list that refuses our resolver, or lists everything, gives itself away.
"""

from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from varco_common.dns.answers import Absent, Answer, Found
from varco_common.events import Colour, ReputationFinding

ADDRESS_LISTS = ("zen.spamhaus.org", "bl.spamcop.net", "b.barracudacentral.org", "psbl.surriel.com", "bl.mailspike.net")
DOMAIN_LISTS = ("dbl.spamhaus.org", "multi.surbl.org", "multi.uribl.com")
_TEST_DOMAINS = {  # what these lists have instead of the entry TEST
    "dbl.spamhaus.org": "dbltest.com",
    "multi.surbl.org": "surbl-org-permanent-test-point.com",
    "multi.uribl.com": "test.uribl.com",
}
_LISTED = ip_network("127.0.0.0/8")
_ERRORS = ip_network("127.255.255.0/24")  # Spamhaus: the question is refused, whatever was asked


class ListAnswers(NamedTuple):
    """The answers of one list: about us, about its test entry, about what is never listed."""

    zone: str
    ours: Answer[str]
    test: Answer[str]
    never: Answer[str]


class ListQuestions(NamedTuple):
    """The three names to ask for, as in ListAnswers."""

    ours: str
    test: str
    never: str


def address_questions(zone: str, address: str) -> ListQuestions:
    """RFC 5782 2.1 and 2.4. Raises ValueError for what is no address."""
    parsed = ip_address(address)
    reverse = parsed.reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
    if parsed.version == 4:
        return ListQuestions(f"{reverse}.{zone}", f"2.0.0.127.{zone}", f"1.0.0.127.{zone}")
    return ListQuestions(f"{reverse}.{zone}", f"{_mapped('127.0.0.2')}.{zone}", f"{_mapped('127.0.0.1')}.{zone}")


def domain_questions(zone: str, domain: str) -> ListQuestions:
    """RFC 5782 3."""
    return ListQuestions(f"{domain}.{zone}", f"{_TEST_DOMAINS.get(zone, 'test')}.{zone}", f"invalid.{zone}")


def listing(answers: ListAnswers) -> Colour:
    """Red: listed. Green: not listed, and the list answers us. Unknown: it does not."""
    if not _is_listed(answers.test) or _is_listed(answers.never):
        return Colour.UNKNOWN
    match answers.ours:
        case Absent():
            return Colour.GREEN
        case Found() if _is_listed(answers.ours):
            return Colour.RED
    return Colour.UNKNOWN


def lists_finding(check: str, what: str, answers: Iterable[ListAnswers]) -> ReputationFinding:
    """One finding for all lists."""
    by_colour: dict[Colour, list[str]] = {}
    for answer in answers:
        by_colour.setdefault(listing(answer), []).append(answer.zone)
    silent = by_colour.get(Colour.UNKNOWN, [])
    untold = f"; cannot tell of {', '.join(silent)}: they do not answer our resolver" if silent else ""
    if listed := by_colour.get(Colour.RED):
        text = f"{what} is on {', '.join(listed)}: ask there why, mend it, then ask to be removed{untold}"
        return ReputationFinding(check=check, colour=Colour.RED, text=text)
    if clear := by_colour.get(Colour.GREEN):
        return ReputationFinding(
            check=check, colour=Colour.GREEN, text=f"{what} is on none of {len(clear)} lists{untold}"
        )
    return ReputationFinding(
        check=check, colour=Colour.UNKNOWN, text=f"cannot tell: no list answers our resolver about {what}"
    )


def _mapped(address: str) -> str:
    """An IPv4 address in the form that lists of IPv6 addresses test with (RFC 5782 5)."""
    return ip_address(f"::ffff:{address}").reverse_pointer.removesuffix(".ip6.arpa")


def _is_listed(answer: Answer[str]) -> bool:
    if not isinstance(answer, Found):
        return False
    codes = [ip_address(record) for record in answer.records]
    return any(code in _LISTED and code not in _ERRORS for code in codes)
