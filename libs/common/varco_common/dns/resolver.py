"""Asks DNS servers. An answer is a value, never an exception.

A truncated answer is asked for again over TCP; the server follows CNAMEs (RFC 1034 4.3.2). Nothing
is remembered here: the servers do that, and callers that need more have the TTL.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import TypeVar

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.nameserver
import dns.rdata
import dns.rdatatype
import dns.resolver
import dns.reversename

from varco_common.dns import records
from varco_common.dns.answers import Absent, Answer, Found, MailExchanger, TlsaRecord, Unknown

T = TypeVar("T")

_PORT = 53
_TRY_SECONDS = 2.0  # for one try at one server
_SECONDS = 6.0  # for all tries
_PAYLOAD = 1232  # bytes of a UDP answer that no path fragments (the DNS flag day 2020)


class Resolver:
    """Asks `servers`, or those of the system. Names are host names or domains, also as U-labels."""

    def __init__(self, servers: Sequence[str] = (), *, seconds: float = _SECONDS) -> None:
        """`servers` as in VARCO_RESOLVER. `seconds` is the longest time that a question takes."""
        self._servers = tuple(map(server_address, servers))
        self._seconds = seconds

    async def txt(self, name: str) -> Answer[str]:
        """The TXT records, the strings of each joined (RFC 7208 3.3).

        Bytes beyond ASCII become U+FFFD.
        """
        return await self._ask(name, "TXT", records.text)

    async def mx(self, name: str, *, dnssec: bool = False) -> Answer[MailExchanger]:
        """The MX records, in no particular order."""
        return await self._ask(name, "MX", records.mail_exchanger, dnssec=dnssec)

    async def a(self, name: str, *, dnssec: bool = False) -> Answer[str]:
        """IPv4 addresses."""
        return await self._ask(name, "A", records.address, dnssec=dnssec)

    async def aaaa(self, name: str, *, dnssec: bool = False) -> Answer[str]:
        """IPv6 addresses."""
        return await self._ask(name, "AAAA", records.address, dnssec=dnssec)

    async def tlsa(self, name: str, *, dnssec: bool = True) -> Answer[TlsaRecord]:
        """TLSA records of a name such as `_25._tcp.mx.acme.example`."""
        return await self._ask(name, "TLSA", records.tlsa, dnssec=dnssec)

    async def ptr(self, address: str) -> Answer[str]:
        """Names of an IP address. Raises ValueError for what is no address."""
        name = dns.reversename.from_address(str(ip_address(address)))
        return await self._ask(name.to_text(omit_final_dot=True), "PTR", records.target)

    async def _ask(
        self, name: str, kind: str, convert: Callable[[dns.rdata.Rdata], T], *, dnssec: bool = False
    ) -> Answer[T]:
        try:
            absolute = _absolute(name)
            answer = await self._resolver(dnssec).resolve(absolute, kind, search=False)
            return Found(
                name=records.plain(answer.canonical_name),
                records=tuple(convert(rdata) for rdata in answer),
                ttl=answer.chaining_result.minimum_ttl,
                validated=_validated(answer.response),
            )
        except dns.resolver.NXDOMAIN as error:
            return _absent(error.kwargs["responses"][absolute], name_exists=False)
        except dns.resolver.NoAnswer as error:
            return _absent(error.kwargs["response"], name_exists=True)
        except (dns.exception.DNSException, OSError, ValueError) as error:
            return Unknown(name=name, reason=f"{kind} of {name}: {_reason(error)}")

    def _resolver(self, dnssec: bool) -> dns.asyncresolver.Resolver:
        """Built for each question: /etc/resolv.conf may have changed."""
        resolver = dns.asyncresolver.Resolver(configure=not self._servers)
        if self._servers:
            resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in self._servers]
        resolver.timeout, resolver.lifetime = _TRY_SECONDS, self._seconds
        resolver.use_edns(0, 0, _PAYLOAD)
        if dnssec:  # RFC 6840 5.7: AD in a question asks for AD in the answer
            resolver.flags = dns.flags.RD | dns.flags.AD
        return resolver


def server_address(text: str) -> tuple[str, int]:
    """IP address and port of `192.0.2.53`, `192.0.2.53:5353`, `2001:db8::53`, `[2001:db8::53]:53`.

    Raises ValueError.
    """
    host, port = _host_and_port(text)
    with suppress(ValueError):
        if port.isascii() and port.isdigit() and 0 < int(port) <= 65_535:
            return str(ip_address(host)), int(port)
    raise ValueError("addresses of DNS servers (192.0.2.53:53), parted by commas")


def _host_and_port(text: str) -> tuple[str, str]:
    if text.startswith("[") and text.endswith("]"):
        return text[1:-1], str(_PORT)
    if text.startswith("[") or text.count(":") == 1:
        host, _, port = text.rpartition(":")
        return host.removeprefix("[").removesuffix("]"), port
    return text, str(_PORT)


def _absolute(name: str) -> dns.name.Name:
    return dns.name.from_text(name.rstrip(".") + ".", idna_codec=dns.name.IDNA_2008_UTS_46)


def _absent(response: dns.message.QueryMessage, *, name_exists: bool) -> Absent:
    chain = response.resolve_chaining()
    return Absent(
        name=records.plain(chain.canonical_name),
        name_exists=name_exists,
        ttl=chain.minimum_ttl if response.authority else 0,
        validated=_validated(response),
    )


def _validated(response: dns.message.Message) -> bool:
    return bool(response.flags & dns.flags.AD)


def _reason(error: Exception) -> str:
    match error:
        case dns.resolver.LifetimeTimeout():
            return f"no answer within {error.kwargs['timeout']:.0f} s"
        case dns.resolver.NoNameservers():
            return "; ".join(f"{failure[0]} {failure[4] or failure[3]}" for failure in error.kwargs["errors"])
        case dns.resolver.NoResolverConfiguration():
            return "the system names no DNS server: set VARCO_RESOLVER"
        case _:
            return str(error) or type(error).__name__
