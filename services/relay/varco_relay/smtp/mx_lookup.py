"""Which hosts take a domain's mail (RFC 5321 5.1)."""

import asyncio
import random
from ipaddress import ip_address
from typing import NamedTuple

from cachetools import TTLCache

from varco_common.dns import Absent, Found, MailExchanger, Resolver, Unknown
from varco_common.mail.sender_patterns import normal
from varco_relay.smtp.smtp_reply import SmtpReply

MAX_HOSTS = 5  # that are tried in one attempt; a domain with more has its reasons, and a retry shuffles
_REMEMBERED_SECONDS = 300.0  # a changed MX record is followed that soon, whatever its TTL
_MAX_REMEMBERED = 10_000  # domains


class MxHosts(NamedTuple):
    """In the order in which they are tried. `validated`: DNSSEC proves that these are the hosts.

    `domain` is the domain that was asked for, in ASCII.
    """

    domain: str
    hosts: tuple[str, ...]
    validated: bool = False


class MxLookup:
    """Looks domains up, and remembers the answers for minutes. `own_name` is that of this gate."""

    def __init__(self, resolver: Resolver, own_name: str) -> None:
        self._resolver, self._own_name = resolver, own_name.lower().rstrip(".")
        self._known: TTLCache[str, MxHosts] = TTLCache(_MAX_REMEMBERED, _REMEMBERED_SECONDS)
        self._asked: dict[str, asyncio.Task[MxHosts | SmtpReply]] = {}

    async def hosts(self, domain: str) -> MxHosts | SmtpReply:
        """The hosts, or why there are none: a reply of the gate itself."""
        if literal := _address_literal(domain):
            return MxHosts(domain, (literal,))
        name = normal(f"x@{domain}")[2:].rstrip(".")
        if known := self._known.get(name):
            return known
        if not (asked := self._asked.get(name)):  # many mails may wait for one answer
            asked = self._asked[name] = asyncio.create_task(self._look_up(name), name=f"mx {name}")
            asked.add_done_callback(lambda _: self._asked.pop(name))
        found = await asyncio.shield(asked)
        if isinstance(found, MxHosts):
            self._known[name] = found
        return found

    async def _look_up(self, domain: str) -> MxHosts | SmtpReply:
        answer = await self._resolver.mx(domain, dnssec=True)
        match answer:
            case Unknown(reason=reason):
                return _later(f"DNS gives no answer: {reason}")
            case Absent(name_exists=False):
                return _never("5.1.2", f"There is no domain {domain}")  # RFC 3463 3.2
            case Absent(validated=validated):
                return await self._implicit(domain, validated=validated)
            case Found(records=records, validated=validated):
                return self._of_records(domain, records, validated=validated)

    async def _implicit(self, domain: str, *, validated: bool) -> MxHosts | SmtpReply:
        """RFC 5321 5.1: without MX records the domain is its own mail server."""
        unknown = ""
        for question in (self._resolver.a, self._resolver.aaaa):
            match await question(domain):
                case Found():
                    return MxHosts(domain, (domain,), validated)
                case Unknown(reason=reason):
                    unknown = reason
                case Absent():
                    pass
        if unknown:
            return _later(f"DNS gives no answer: {unknown}")
        return _never("5.1.2", f"{domain} has no mail server: neither MX records nor an address")

    def _of_records(self, domain: str, records: tuple[MailExchanger, ...], *, validated: bool) -> MxHosts | SmtpReply:
        if all(not record.host for record in records):
            return SmtpReply(556, f"5.1.10 {domain} takes no mail (null MX)", by_gate=True)  # RFC 7505 4.2
        shuffled = random.sample(records, len(records))  # RFC 5321 5.1: equal preference, shared load
        ordered = sorted((record for record in shuffled if record.host), key=lambda record: record.preference)
        own = next((record.preference for record in ordered if record.host == self._own_name), None)
        # RFC 5321 5.1: from its own place in the list on, mail would come back
        hosts = tuple(record.host for record in ordered if own is None or record.preference < own)
        if not hosts:
            return _never("5.4.6", f"The MX records of {domain} lead back to this gate")
        return MxHosts(domain, hosts, validated)


def domain_of(recipient: str) -> str:
    """In lower case: recipients of one domain share their hosts."""
    return recipient.rpartition("@")[2].lower()


def _address_literal(domain: str) -> str:
    """The address in `[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321 4.1.3); else empty."""
    if not (domain.startswith("[") and domain.endswith("]")):
        return ""
    try:
        return str(ip_address(domain[1:-1].lower().removeprefix("ipv6:")))
    except ValueError:
        return ""


def _later(text: str) -> SmtpReply:
    return SmtpReply(451, f"4.4.3 {text}", by_gate=True)


def _never(status: str, text: str) -> SmtpReply:
    return SmtpReply(550, f"{status} {text}", by_gate=True)
