"""The report of one day to one domain, as JSON (RFC 8460 4) and as a mail (5.3). Pure."""

import gzip
import json
from base64 import encodebytes
from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from typing import Any, NamedTuple

from varco_relay.smtp.tls_session import AppliedPolicy, PolicyType, TlsFailure

_CRLF = "\r\n"


class SessionCount(NamedTuple):
    """How many sessions of one policy ended alike; `failure` None: as they should."""

    policy: AppliedPolicy
    failure: TlsFailure | None
    sessions: int


class TlsReport(NamedTuple):
    """`sender` is the address that reports come from, `day` is in UTC."""

    domain: str
    day: date
    sender: str
    counts: tuple[SessionCount, ...]

    @property
    def submitter(self) -> str:
        return self.sender.rpartition("@")[2]

    @property
    def report_id(self) -> str:
        """One for a domain and day, so that a report that comes twice is known."""
        return f"{self.day.isoformat()}.{self.domain}@{self.submitter}"

    @property
    def successes(self) -> int:
        return sum(count.sessions for count in self.counts if not count.failure)

    @property
    def failures(self) -> int:
        return sum(count.sessions for count in self.counts if count.failure)

    @property
    def file_name(self) -> str:
        """RFC 8460 5.1."""
        begin = int(datetime.combine(self.day, time(), UTC).timestamp())
        return f"{self.submitter}!{self.domain}!{begin}!{begin + 86_399}.json.gz"


def as_json(report: TlsReport) -> bytes:
    """Compressed by gzip (RFC 8460 4.2)."""
    policies = dict.fromkeys(count.policy for count in report.counts)
    document = {
        "organization-name": report.submitter,
        "date-range": {
            "start-datetime": f"{report.day.isoformat()}T00:00:00Z",
            "end-datetime": f"{report.day.isoformat()}T23:59:59Z",
        },
        "contact-info": report.sender,
        "report-id": report.report_id,
        "policies": [_policy(policy, [c for c in report.counts if c.policy == policy]) for policy in policies],
    }
    return gzip.compress(json.dumps(document).encode(), mtime=0)


def as_mail(report: TlsReport, mail: str, recipient: str, now: datetime) -> bytes:
    """The report in wire form, with `mail` as its id. No line of it begins with a dot."""
    boundary = f"=_{mail}"
    fields = {
        "From": f"<{report.sender}>",
        "To": f"<{recipient}>",
        "Date": format_datetime(now),
        "Message-ID": f"<{mail}@{report.submitter}>",
        "Subject": f"Report Domain: {report.domain}{_CRLF} Submitter: {report.submitter}{_CRLF}"
        f" Report-ID: <{report.report_id}>",
        "TLS-Report-Domain": report.domain,
        "TLS-Report-Submitter": report.submitter,
        "TLS-Required": "No",  # RFC 8689 5: it must arrive despite what it tells of (RFC 8460 5.3)
        "Auto-Submitted": "auto-generated",
        "MIME-Version": "1.0",
        "Content-Type": f'multipart/report; report-type="tlsrpt";{_CRLF} boundary="{boundary}"',
    }
    head = "".join(f"{name}: {value}{_CRLF}" for name, value in fields.items())
    text = (
        f"This is an aggregate TLS report for {report.domain} of {report.day.isoformat()} (UTC).{_CRLF}"
        f"Sessions that began as they should: {report.successes}. Others: {report.failures}.{_CRLF}"
    )
    parts = (
        f"Content-Type: text/plain; charset=us-ascii{_CRLF}{_CRLF}{text}",
        f"Content-Type: application/tlsrpt+gzip{_CRLF}Content-Transfer-Encoding: base64{_CRLF}"
        f'Content-Disposition: attachment;{_CRLF} filename="{report.file_name}"{_CRLF}{_CRLF}'
        + encodebytes(as_json(report)).decode().replace("\n", _CRLF),
    )
    body = "".join(f"--{boundary}{_CRLF}{part}{_CRLF}" for part in parts) + f"--{boundary}--{_CRLF}"
    return (head + _CRLF + body).encode()


def _policy(policy: AppliedPolicy, counts: Iterable[SessionCount]) -> dict[str, Any]:
    counts = list(counts)
    described: dict[str, Any] = {"policy-type": str(policy.kind), "policy-domain": policy.name}
    if policy.kind is not PolicyType.NONE:
        described["policy-string"] = list(policy.strings)
    if policy.mx:
        described["mx-host"] = list(policy.mx)
    summary = {
        "total-successful-session-count": sum(count.sessions for count in counts if not count.failure),
        "total-failure-session-count": sum(count.sessions for count in counts if count.failure),
    }
    details = [_details(count.failure, count.sessions) for count in counts if count.failure]
    return {"policy": described, "summary": summary} | ({"failure-details": details} if details else {})


def _details(failure: TlsFailure, sessions: int) -> dict[str, Any]:
    known = {
        "result-type": str(failure.result),
        "sending-mta-ip": failure.sending_ip,
        "receiving-mx-hostname": failure.host,
        "receiving-ip": failure.receiving_ip,
        "failure-reason-code": failure.reason,
    }
    return {name: value for name, value in known.items() if value} | {"failed-session-count": sessions}
