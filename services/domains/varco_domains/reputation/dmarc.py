"""What checkdmarc's report on a domain's DMARC record means. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from varco_common.events import Colour, ReputationFinding
from varco_domains.reputation.finding import txt

CHECK = "DMARC"


def dmarc_finding(domain: str, report: Mapping[str, Any], unsure: Sequence[str], *, signed: bool) -> ReputationFinding:
    """`report` is of checkdmarc.dmarc.check_dmarc. `signed`: our mail has a DKIM signature.

    A signature with the From domain is aligned in both modes (RFC 7489 3.1.1).
    """
    name = f"_dmarc.{domain}"
    if not report.get("record"):
        if unsure:
            return ReputationFinding(check=CHECK, colour=Colour.UNKNOWN, text=f"cannot tell now: {unsure[0]}")
        if "multiple" in str(report.get("error") or "").lower():
            text = f"{name} has several DMARC records, so receivers use none (RFC 7489 6.6.3): delete all but one"
            return ReputationFinding(check=CHECK, colour=Colour.RED, text=text)
        text = f"{domain} has no DMARC record: Gmail, Yahoo and Outlook refuse its bulk mail"
        return ReputationFinding(check=CHECK, colour=Colour.RED, text=text, record=txt(name, _first_record(domain)))
    if not report.get("valid"):
        wanted = txt(name, _first_record(domain))
        return ReputationFinding(
            check=CHECK, colour=Colour.RED, text=f"the record is broken: {report.get('error')}", record=wanted
        )
    return _policy(domain, report, signed=signed)


def _policy(domain: str, report: Mapping[str, Any], *, signed: bool) -> ReputationFinding:
    location = str(report.get("location") or domain)
    policy = _effective_policy(report, subdomain=location != domain)
    where = "" if location == domain else f" (of {location})"
    if policy == "none":
        text = f"p=none{where} asks for reports and protects nobody: p=quarantine when the reports show no surprise"
        return ReputationFinding(check=CHECK, colour=Colour.AMBER, text=text)
    if not signed:
        text = f"p={policy}{where}, and our mail has no DKIM signature: it passes by SPF alone, and not when forwarded"
        return ReputationFinding(check=CHECK, colour=Colour.AMBER, text=text)
    return ReputationFinding(
        check=CHECK, colour=Colour.GREEN, text=f"p={policy}{where}, and our DKIM signature is aligned"
    )


def _effective_policy(report: Mapping[str, Any], *, subdomain: bool) -> str:
    tags = report.get("tags") or {}
    own, below = (str((tags.get(name) or {}).get("value") or "") for name in ("p", "sp"))
    return (below if subdomain and below else own) or "none"


def _first_record(domain: str) -> str:
    return f"v=DMARC1; p=none; rua=mailto:dmarc@{domain}"
