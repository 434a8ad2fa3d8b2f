"""A process of its own that reads SPF and DMARC records with checkdmarc, and ends.

checkdmarc and what it needs take 20 MB, once a day. A question comes as JSON on standard input, the
findings by domain go to standard output.
"""

import sys
from collections.abc import Sequence
from typing import Any

import dns.exception
import dns.nameserver
import dns.resolver
import msgspec

from varco_common.events import ReputationFinding
from varco_domains.reputation.dmarc import dmarc_finding
from varco_domains.reputation.spf import spf_finding

_SECONDS = 6.0  # for one question, as in common's resolver


class PolicyQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """`domains` are those to look at, `signed` those whose mail has a DKIM signature.

    `servers` are IP addresses and ports; empty for those of the system.
    """

    domains: list[str]
    signed: list[str]
    addresses: list[str]
    servers: list[tuple[str, int]]


class WatchedResolver(dns.resolver.Resolver):
    """Remembers questions that nobody answered: checkdmarc takes some of them for a no."""

    def __init__(self, servers: Sequence[tuple[str, int]]) -> None:
        super().__init__(configure=not servers)
        if servers:
            self.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in servers]
        self.lifetime = _SECONDS
        self.unsure: list[str] = []

    def resolve(self, qname: Any, rdtype: Any = "A", *args: Any, **options: Any) -> Any:
        try:
            return super().resolve(qname, rdtype, *args, **options)
        except (dns.resolver.LifetimeTimeout, dns.resolver.NoNameservers, OSError):
            self.unsure.append(f"nobody answered for {str(qname).rstrip('.')}, {rdtype}")
            raise


def findings(question: PolicyQuestion) -> dict[str, list[ReputationFinding]]:
    """SPF and DMARC of each domain."""
    return {domain: [_spf(domain, question), _dmarc(domain, question)] for domain in question.domains}


def _spf(domain: str, question: PolicyQuestion) -> ReputationFinding:
    from checkdmarc.spf import check_spf  # noqa: PLC0415 - in this process alone

    resolver = WatchedResolver(question.servers)
    report = check_spf(domain, resolver=resolver)
    return spf_finding(domain, report, resolver.unsure, question.addresses)


def _dmarc(domain: str, question: PolicyQuestion) -> ReputationFinding:
    from checkdmarc.dmarc import check_dmarc  # noqa: PLC0415 - in this process alone

    resolver = WatchedResolver(question.servers)
    report = check_dmarc(domain, resolver=resolver)
    return dmarc_finding(domain, report, resolver.unsure, signed=domain in question.signed)


def main() -> None:
    """`python -m varco_domains.reputation.published_policies`."""
    question = msgspec.json.decode(sys.stdin.buffer.read(), type=PolicyQuestion)
    sys.stdout.buffer.write(msgspec.json.encode(findings(question)))


if __name__ == "__main__":
    main()
