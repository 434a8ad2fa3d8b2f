"""What can be found out about the answers before anything starts. Each check says what to do."""

import errno
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from varco_cli.quickstart.answers import LOW_PORTS, Answers

_SECONDS = 10.0  # for one connection: a firewall that drops packets must not hold the administrator up


@dataclass(frozen=True)
class CheckResult:
    """`advice` says what to do; empty where all is well."""

    about: str
    found: str
    advice: str = ""


def check(answers: Answers) -> Iterator[CheckResult]:
    """Yields what was found, one thing after the other: each may take seconds."""
    yield _host_name(answers.hostname)
    if answers.next_hop:
        yield from _next_hop(answers)
    else:
        yield CheckResult("next hop", "none yet", "mail goes into a black hole: set `route:` in the account file")
    yield _ports()


def _host_name(name: str) -> CheckResult:
    about = f"host name {name}"
    try:
        addresses = sorted({str(entry[4][0]) for entry in socket.getaddrinfo(name, None)})
    except OSError as error:
        advice = f"publish an A or AAAA record for {name}, so that clients find the gate"
        return CheckResult(about, f"not found in DNS ({error.strerror})", advice)
    try:
        socket.create_server((addresses[0], 0), family=_family(addresses[0])).close()
    except OSError:
        advice = "right behind a NAT or a balancer; otherwise correct the record"
        return CheckResult(about, f"is {', '.join(addresses)}, no address of this machine", advice)
    return CheckResult(about, f"is {', '.join(addresses)}, this machine")


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _next_hop(answers: Answers) -> Iterator[CheckResult]:
    about = f"next hop {answers.next_hop}"
    host, port = answers.next_hop_address
    try:
        with smtplib.SMTP(host, port, timeout=_SECONDS) as client:
            yield CheckResult(about, "answers")
            yield from _session(client, about, answers)
    except (OSError, smtplib.SMTPException) as error:
        yield CheckResult(
            about, f"no SMTP session: {_words(error)}", f"open the firewall to {answers.next_hop}, or correct it"
        )


def _words(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _session(client: smtplib.SMTP, about: str, answers: Answers) -> Iterator[CheckResult]:
    client.ehlo(answers.hostname)
    if not client.has_extn("starttls"):
        yield CheckResult(about, "offers no TLS", "mail and password would travel readable: use a port with STARTTLS")
        return
    yield _secured(client, about)
    client.ehlo(answers.hostname)
    if answers.next_hop_login:
        yield _login(client, about, answers)


def _secured(client: smtplib.SMTP, about: str) -> CheckResult:
    try:
        client.starttls(context=ssl.create_default_context())
    except ssl.SSLCertVerificationError as error:
        return CheckResult(
            about, f"its certificate is not valid: {error.verify_message}", "ask its operator; see `tls:`"
        )
    return CheckResult(about, "TLS, with a valid certificate")


def _login(client: smtplib.SMTP, about: str, answers: Answers) -> CheckResult:
    try:
        client.login(answers.next_hop_login, answers.next_hop_password)
    except (smtplib.SMTPException, OSError) as error:
        return CheckResult(
            about, f"refuses login {answers.next_hop_login}: {_words(error)}", "correct login and password"
        )
    return CheckResult(about, f"takes login {answers.next_hop_login}")


def _ports() -> CheckResult:
    taken = [str(port) for port in LOW_PORTS.values() if _taken(port)]
    if not taken:
        return CheckResult("ports 25, 465 and 587", "free")
    return CheckResult(f"port {', '.join(taken)}", "taken", "stop the mail server that listens there (`ss -ltnp`)")


def _taken(port: int, listen: Callable[..., socket.socket] = socket.create_server) -> bool:
    try:
        listen(("", port)).close()
    except OSError as error:
        return error.errno == errno.EADDRINUSE  # whoever may not listen below 1024 learns nothing here
    return False
