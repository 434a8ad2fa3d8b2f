"""What checkdmarc's report on a domain's SPF record means for the mail that leaves here. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from varco_common.events import Colour, ReputationFinding
from varco_domains.reputation.finding import txt

CHECK = "SPF"
_MAX_LOOKUPS, _MAX_VOID = 10, 2  # RFC 7208 4.6.4
_VERSION = "v=spf1"


def spf_finding(
    domain: str,
    report: Mapping[str, Any],
    unsure: Sequence[str],
    addresses: Sequence[str],
    several: Sequence[str] = (),
) -> ReputationFinding:
    """`report` is of checkdmarc.spf.check_spf. `unsure` has questions that nobody answered.

    `addresses` are those that our mail leaves from; empty where they are not known. `several` are
    the records, where there is more than one.
    """
    if len(several) > 1:
        text = (
            f"{domain} has several SPF records, so receivers use none (RFC 7208 4.5): delete them and publish this one"
        )
        return _red(text, txt(domain, joined(several)))
    if trouble := next(_troubles(domain, report, unsure, addresses), None):
        return trouble
    if unsure:
        return ReputationFinding(check=CHECK, colour=Colour.UNKNOWN, text=f"cannot tell now: {unsure[0]}")
    return _coverage(domain, report, addresses)


def _troubles(
    domain: str, report: Mapping[str, Any], unsure: Sequence[str], addresses: Sequence[str]
) -> Iterator[ReputationFinding]:
    error, record = str(report.get("error") or ""), report.get("record")
    if not record and not unsure:
        what = error if error and "not" not in error.lower() else f"{domain} has no SPF record"
        yield _red(what, txt(domain, _new_record(addresses)))
    elif record and (lookups := report.get("dns_lookups") or 0) > _MAX_LOOKUPS:
        yield _red(f"the record needs {lookups} look-ups, receivers stop after {_MAX_LOOKUPS}: remove includes")
    elif record and error and not unsure:
        yield _red(f"the record is broken: {error}")
    elif record and _all(report) == "pass":
        yield _red("the record ends with +all: everybody may send as the domain", txt(domain, _closed(record)))


def _coverage(domain: str, report: Mapping[str, Any], addresses: Sequence[str]) -> ReputationFinding:
    record, parsed = str(report["record"]), report.get("parsed") or {}
    for address in addresses:
        covered = covers(parsed, address)
        if covered is None:
            return _amber(f"macros decide whether {address} may send: look at the record by hand")
        if not covered:
            wanted = txt(domain, _with_address(record, address))
            return _red(f"the record does not cover {address}, from which our mail leaves", wanted)
    if (report.get("void_dns_lookups") or 0) > _MAX_VOID:
        return _amber(f"more than {_MAX_VOID} of its names do not exist; some receivers refuse that")
    if _all(report) in ("neutral", ""):
        return _amber("the record does not end with ~all or -all: it forbids nobody", txt(domain, _closed(record)))
    if not addresses:
        return _amber(
            "the record is right, but nobody can tell whether it covers us: behind NAT the gate does not see the "
            "addresses that its mail leaves from. Write the public ones as VARCO_DOMAINS_ADDRESSES=192.0.2.7 into the "
            "gate's environment (several parted by commas), and start it again"
        )
    return ReputationFinding(check=CHECK, colour=Colour.GREEN, text=f"covers {', '.join(addresses)}")


def covers(parsed: Mapping[str, Any], address: str) -> bool | None:
    """Whether the address passes (RFC 7208 4.6). None where a macro or `exists` decides."""
    for mechanism in parsed.get("mechanisms", ()):
        match = _matches(mechanism, address)
        if match is None:
            return None
        if match:
            return bool(mechanism["action"] == "pass")
    if redirect := parsed.get("redirect"):
        return covers(redirect.get("parsed") or {}, address)
    return False


def _matches(mechanism: Mapping[str, Any], address: str) -> bool | None:
    value, kind = str(mechanism.get("value", "")), mechanism["mechanism"]
    if "%{" in value or kind in ("exists", "ptr"):
        return None
    if kind in ("ip4", "ip6"):
        return _inside(address, value)
    if kind == "include":
        return covers(mechanism.get("parsed") or {}, address)
    hosts = [*mechanism.get("addresses", ())]  # of `a`
    hosts += [found for host in mechanism.get("hosts", ()) for found in host.get("addresses", ())]  # of `mx`
    return _any_inside(address, hosts, value)


def _any_inside(address: str, hosts: Sequence[str], value: str) -> bool:
    """`a` and `mx` may have a prefix length: `a:mail.acme.example/28`."""
    prefix = value.partition("/")[2].split("//", maxsplit=1)[0]
    return any(_inside(address, f"{host}/{prefix}" if prefix and ":" not in host else host) for host in hosts)


def _inside(address: str, network: str) -> bool:
    try:
        return ip_address(address) in ip_network(network, strict=False)
    except ValueError:
        return False


def _all(report: Mapping[str, Any]) -> str:
    """What the record says of everybody else; empty where it says nothing."""
    record = f" {report.get('record') or ''} ".lower()
    words = {" +all ": "pass", " all ": "pass", " ?all ": "neutral", " ~all ": "softfail", " -all ": "fail"}
    own = next((meaning for word, meaning in words.items() if word in record), "")
    redirect = (report.get("parsed") or {}).get("redirect") or {}
    return own or str((redirect.get("parsed") or {}).get("all", ""))


def _new_record(addresses: Sequence[str]) -> str:
    return " ".join([_VERSION, *map(_mechanism, addresses), "~all"])


def is_spf(record: str) -> bool:
    """RFC 7208 4.5."""
    return record.lower() == _VERSION or record.lower().startswith(f"{_VERSION} ")


def joined(records: Iterable[str]) -> str:
    """One record that permits what any of these does, and refuses the rest softly."""
    terms = (term for record in records for term in record.split()[1:])
    included = (term.replace("redirect=", "include:", 1) for term in terms if term.lower().lstrip("+-~?") != "all")
    return " ".join([_VERSION, *dict.fromkeys(included), "~all"])


def _with_address(record: str, address: str) -> str:
    first, *terms = record.split()
    end = [] if any(term.lower().lstrip("+-~?") == "all" or "redirect=" in term.lower() for term in terms) else ["~all"]
    return " ".join([first, _mechanism(address), *terms, *end])


def _mechanism(address: str) -> str:
    return f"ip{ip_address(address).version}:{address}"


def _closed(record: str) -> str:
    words = [word for word in record.split() if word.lower().lstrip("+?") != "all"]
    return " ".join([*words, "~all"])


def _red(text: str, record: str = "") -> ReputationFinding:
    return ReputationFinding(check=CHECK, colour=Colour.RED, text=text, record=record)


def _amber(text: str, record: str = "") -> ReputationFinding:
    return ReputationFinding(check=CHECK, colour=Colour.AMBER, text=text, record=record)
