"""A DNS server for tests, on loopback, over UDP and TCP; its zone can be changed at any time."""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Literal, NamedTuple

from dnslib import QTYPE, RCODE, RR, SOA, DNSError, DNSRecord
from dnslib.server import DNSHandler, DNSLogger, DNSServer

_DNS_PORT = 53
_TTL = 60
_NEGATIVE_TTL = 30
_POLL_SECONDS = 0.01  # how soon the server's threads notice its end

SILENT = "127.0.0.1:9"  # the discard port: nobody answers there

Failure = Literal["TIMEOUT", "SERVFAIL", "REFUSED"]


class Question(NamedTuple):
    """A question that the server was asked. `name` is in lower case, without the last dot."""

    name: str
    kind: str
    transport: Literal["udp", "tcp"]


@dataclass
class DnsServer:
    """What it answers. All names are written without the last dot; `*.acme.example` is a wildcard.

    `port` is the port of both transports at 127.0.0.1.
    """

    port: int = 0
    questions: list[Question] = field(default_factory=list)
    _zone: dict[tuple[str, str], list[RR]] = field(default_factory=dict)
    _failures: dict[str, Failure] = field(default_factory=dict)
    _truncated: set[str] = field(default_factory=set)
    _signed: set[str] = field(default_factory=set)

    @property
    def address(self) -> str:
        """As VARCO_RESOLVER names it."""
        return f"127.0.0.1:{self.port}"

    def add(self, name: str, kind: str, *values: str, ttl: int = _TTL) -> None:
        """Adds records in the notation of a zone file.

        Such as `add("acme.example", "MX", "10 mx.acme.example.")`, and `'"one string" "another"'`
        for TXT.
        """
        for value in values:
            self._zone.setdefault((name.lower(), kind), []).extend(RR.fromZone(f"{name}. {ttl} IN {kind} {value}"))

    def add_txt(self, name: str, *texts: str, ttl: int = _TTL) -> None:
        """Adds TXT records. Each is split into strings of 255 bytes."""
        for text in texts:
            strings = [text[start : start + 255] for start in range(0, len(text), 255)] or [""]
            quoted = (string.replace("\\", "\\\\").replace('"', '\\"') for string in strings)
            self.add(name, "TXT", " ".join(f'"{string}"' for string in quoted), ttl=ttl)

    def remove(self, name: str, kind: str) -> None:
        self._zone.pop((name.lower(), kind), None)

    def fail(self, name: str, how: Failure) -> None:
        """From now on each question about the name fails. TIMEOUT: it gets no answer."""
        self._failures[name.lower()] = how

    def fail_zone(self, name: str, how: Failure) -> None:
        """As `fail`, of the name and all names below it."""
        self.fail(name, how)
        self._failures[f".{name.lower()}"] = how

    def mend(self, name: str) -> None:
        """Ends what `fail` or `fail_zone` began."""
        self._failures.pop(name.lower(), None)
        self._failures.pop(f".{name.lower()}", None)

    def truncate(self, name: str) -> None:
        """Answers over UDP are truncated; TCP has the whole answer."""
        self._truncated.add(name.lower())

    def sign(self, name: str) -> None:
        """Answers about the name say that DNSSEC proves them (AD), if the question asks for it."""
        self._signed.add(name.lower())

    def resolve(self, request: DNSRecord, handler: DNSHandler) -> DNSRecord:
        """Called by dnslib, from several threads. DNSError: it sends no answer."""
        name = str(request.q.qname).rstrip(".").lower()
        kind = QTYPE[request.q.qtype]
        self.questions.append(Question(name, kind, handler.protocol))
        reply = request.reply(aa=0, ra=1)
        match self._failure(name):
            case "TIMEOUT":
                raise DNSError("told to be silent")
            case str(code):
                reply.header.rcode = getattr(RCODE, code)
                return reply
        if handler.protocol == "udp" and name in self._truncated:
            reply.header.tc = 1
            return reply
        self._answer(reply, name, kind)
        reply.header.ad = int(name in self._signed and request.header.ad == 1)
        return reply

    def _failure(self, name: str) -> Failure | None:
        above = (how for zone, how in list(self._failures.items()) if zone.startswith(".") and name.endswith(zone))
        return self._failures.get(name) or next(above, None)

    def _answer(self, reply: DNSRecord, name: str, kind: str) -> None:
        seen: set[str] = set()
        while name not in seen:
            seen.add(name)
            if records := self._records(name, kind):
                reply.add_answer(*records)
                return
            if kind == "CNAME" or not (aliases := self._records(name, "CNAME")):
                break
            reply.add_answer(*aliases)
            name = str(aliases[0].rdata).rstrip(".").lower()
        if not self._exists(name):
            reply.header.rcode = RCODE.NXDOMAIN
        times = (1, 3600, 600, 86_400, _NEGATIVE_TTL)
        reply.add_auth(RR("example", QTYPE.SOA, rdata=SOA("ns.example", "root.example", times), ttl=3600))

    def _records(self, name: str, kind: str) -> list[RR]:
        if self._exists(name, wildcards=False):
            return list(self._zone.get((name, kind), ()))
        wildcard = self._wildcard(name)  # RFC 4592 2.2: an existing name hides the wildcard
        return [
            RR(name, record.rtype, rdata=record.rdata, ttl=record.ttl)
            for record in self._zone.get((wildcard, kind), ())
        ]

    def _exists(self, name: str, *, wildcards: bool = True) -> bool:
        if any(owner == name or owner.endswith(f".{name}") for owner, _ in list(self._zone)):
            return True
        return wildcards and bool(self._wildcard(name))

    def _wildcard(self, name: str) -> str:
        owners = {owner for owner, _ in list(self._zone)}
        while "." in name:
            name = name.partition(".")[2]
            if f"*.{name}" in owners:
                return f"*.{name}"
        return ""


@contextlib.contextmanager
def dns_server() -> Iterator[DnsServer]:
    """Serves until the block ends."""
    server = DnsServer()
    listeners = _listeners(server)
    server.port = listeners[0].server_address[1]
    threads = [threading.Thread(target=listener.serve_forever, args=(_POLL_SECONDS,)) for listener in listeners]
    for thread in threads:
        thread.start()
    try:
        yield server
    finally:
        for listener in listeners:
            listener.shutdown()
            listener.server_close()
        for thread in threads:
            thread.join()


def _listeners(server: DnsServer) -> list[Any]:
    """For TCP and UDP, both at one port that is free for both."""
    logger = DNSLogger(log="", logf=lambda _: None)
    for _ in range(20):
        tcp = DNSServer(server, address="127.0.0.1", port=0, tcp=True, logger=logger).server
        try:
            port = tcp.server_address[1]
            return [tcp, DNSServer(server, address="127.0.0.1", port=port, logger=logger).server]
        except OSError:  # another process has the UDP port
            tcp.server_close()
    raise OSError("no port is free for both TCP and UDP")


def forbid_other_dns() -> None:
    """From now on this process can ask no DNS server beyond loopback. It cannot be undone.

    What it starts asks a silent port of loopback, unless it is told to ask another one.
    """
    os.environ["VARCO_RESOLVER"] = SILENT
    sys.addaudithook(_refuse_dns)


def _refuse_dns(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in ("socket.connect", "socket.sendto") or not isinstance(address := arguments[-1], tuple):
        return
    if address[1] == _DNS_PORT and not ip_address(address[0].partition("%")[0]).is_loopback:
        raise RuntimeError(f"a test asked the DNS server {address[0]}: tests ask only loopback")
