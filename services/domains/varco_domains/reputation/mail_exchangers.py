"""Whether replies and bounces can reach a domain. Pure."""

from varco_common.dns.answers import Absent, Answer, Found, MailExchanger, Unknown
from varco_common.events import Colour, ReputationFinding

CHECK = "MX"


def mx_finding(domain: str, mx: Answer[MailExchanger], addresses: Answer[str]) -> ReputationFinding:
    """`addresses` are the A records of the domain itself, its implicit MX (RFC 5321 5.1)."""
    match mx:
        case Unknown(reason=reason):
            return ReputationFinding(check=CHECK, colour=Colour.UNKNOWN, text=f"cannot tell now: {reason}")
        case Found(records=records) if any(not exchanger.host for exchanger in records):
            text = f"{domain} says that it takes no mail (RFC 7505); many servers refuse mail from such a domain"
            return ReputationFinding(check=CHECK, colour=Colour.RED, text=text)
        case Found(records=records):
            hosts = ", ".join(exchanger.host for exchanger in sorted(records))
            return ReputationFinding(check=CHECK, colour=Colour.GREEN, text=f"replies go to {hosts}")
        case Absent(name_exists=False):
            text = f"{domain} does not exist in DNS: its mail is refused nearly everywhere"
            return ReputationFinding(check=CHECK, colour=Colour.RED, text=text)
        case Absent():
            return _without(domain, addresses)


def _without(domain: str, addresses: Answer[str]) -> ReputationFinding:
    match addresses:
        case Found(records=records):
            text = f"no MX record; replies go to {domain} itself ({', '.join(records)})"
            return ReputationFinding(check=CHECK, colour=Colour.AMBER, text=text)
        case Unknown(reason=reason):
            return ReputationFinding(check=CHECK, colour=Colour.UNKNOWN, text=f"cannot tell now: {reason}")
        case Absent():
            text = f"{domain} has neither MX nor address: replies and bounces are lost, and servers refuse its mail"
            return ReputationFinding(check=CHECK, colour=Colour.RED, text=text)
