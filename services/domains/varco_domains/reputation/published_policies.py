"""A process of its own that reads SPF and DMARC records with checkdmarc, and ends.

checkdmarc and what it needs take 20 MB, once a day. A question comes as JSON on standard input, the
findings by domain go to standard output. Each domain has a thread, so none waits for another one's
name servers.
"""

import os
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import dns.exception
import dns.nameserver
import dns.resolver
import msgspec

from varco_common.events import Colour, ReputationFinding
from varco_domains.reputation import dmarc, spf
from varco_domains.reputation.dmarc import dmarc_finding
from varco_domains.reputation.spf import spf_finding

_SECONDS = 6.0  # for one question, as in common's resolver


class PolicyQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """`domains` are those to look at, `signed` those whose mail has a DKIM signature.

    `servers` are IP addresses and ports; empty for those of the system. A domain that takes longer
    than `seconds` is left unknown.
    """

    domains: list[str]
    signed: list[str]
    addresses: list[str]
    servers: list[tuple[str, int]]
    seconds: float = 60.0


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
    threads = ThreadPoolExecutor(len(question.domains) or 1)
    jobs = {domain: threads.submit(_findings, domain, question) for domain in question.domains}
    wait(jobs.values(), timeout=question.seconds)
    threads.shutdown(wait=False, cancel_futures=True)
    return {domain: _result(job, question.seconds) for domain, job in jobs.items()}


def unanswered(why: str) -> list[ReputationFinding]:
    """The findings of a domain of which nothing can be told now."""
    text = f"cannot tell now: {why}"
    return [ReputationFinding(check=check, colour=Colour.UNKNOWN, text=text) for check in (spf.CHECK, dmarc.CHECK)]


def _findings(domain: str, question: PolicyQuestion) -> list[ReputationFinding]:
    return [_spf(domain, question), _dmarc(domain, question)]


def _result(job: Future[list[ReputationFinding]], seconds: float) -> list[ReputationFinding]:
    if not job.done():
        return unanswered(f"its name servers took longer than {seconds:.0f} s")
    if error := job.exception():  # whoever publishes the record may want that: it is about this domain alone
        return unanswered(f"its records can't be read ({type(error).__name__})")
    return job.result()


def _spf(domain: str, question: PolicyQuestion) -> ReputationFinding:
    from checkdmarc.spf import check_spf  # noqa: PLC0415 - in this process alone

    resolver = WatchedResolver(question.servers)
    report = check_spf(domain, resolver=resolver)
    several = [] if report.get("record") else _spf_records(domain, resolver)
    return spf_finding(domain, report, resolver.unsure, question.addresses, several)


def _spf_records(domain: str, resolver: WatchedResolver) -> list[str]:
    try:
        answer = resolver.resolve(domain, "TXT")
    except dns.exception.DNSException:
        return []
    texts = (b"".join(record.strings).decode("ascii", "replace") for record in answer)
    return [text for text in texts if spf.is_spf(text)]


def _dmarc(domain: str, question: PolicyQuestion) -> ReputationFinding:
    from checkdmarc.dmarc import check_dmarc  # noqa: PLC0415 - in this process alone

    resolver = WatchedResolver(question.servers)
    report = check_dmarc(domain, resolver=resolver)
    return dmarc_finding(domain, report, resolver.unsure, signed=domain in question.signed)


def main() -> None:
    """`python -m varco_domains.reputation.published_policies`."""
    question = msgspec.json.decode(sys.stdin.buffer.read(), type=PolicyQuestion)
    sys.stdout.buffer.write(msgspec.json.encode(findings(question)))
    sys.stdout.flush()
    os._exit(0)  # without waiting for the threads that still ask


if __name__ == "__main__":
    main()
