"""Finds out how many recipients an SMTP server takes in one mail. Sends no mail."""

import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from varco_cli.failures import Refused, Unreachable

DOMAIN = "blackhole.example"  # RFC 2606: nobody's
COUNT = 300
_SECONDS = 60.0  # for one answer: RFC 5321 4.5.3.2.3 gives RCPT five minutes, an operator waits for less
_TLS_PORT = 465  # RFC 8314: TLS from the first byte


def addresses(count: int, domain: str = DOMAIN) -> Iterator[str]:
    """Yields this many addresses at one domain, for a server that discards mail to them."""
    width = len(str(count))
    for number in range(1, count + 1):
        yield f"blackhole-{number:0{width}}@{domain}"


@dataclass(frozen=True, kw_only=True)
class RecipientLimit:
    """How many recipients the server took. `code` and `text` are its refusal of the next one.

    They are 0 and empty where it took all that it was asked.
    """

    taken: int
    code: int = 0
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where to ask, and as whom. `ca` is a file of certificates; empty for the system's."""

    host: str
    port: int
    tls: bool = False
    ca: str = ""
    login: str = ""
    password: str = ""


def ask(server: Server, sender: str, recipients: Sequence[str]) -> Iterator[RecipientLimit]:
    """Yields what is known after each recipient: MAIL, RCPT until one is refused, RSET.

    Raises Unreachable where no session comes about or it breaks off, Refused where the server
    refuses the login or the sender.
    """
    try:
        with _connected(server) as client:
            yield from _asked(client, server, sender, recipients)
    except smtplib.SMTPAuthenticationError as error:
        raise Refused(f"the server refuses the login: {error.smtp_code} {_words(error.smtp_error)}") from None
    except ssl.SSLCertVerificationError as error:
        hint = "give --ca with the file of the authority that signed it"
        raise Refused(f"the certificate of {server.host} is not valid: {error.verify_message}; {hint}") from None
    except (OSError, smtplib.SMTPException) as error:
        raise Unreachable(f"{server.host}:{server.port}: {getattr(error, 'strerror', '') or error}") from None


def _connected(server: Server) -> smtplib.SMTP:
    context = ssl.create_default_context(cafile=server.ca or None)
    if server.tls and server.port == _TLS_PORT:
        return smtplib.SMTP_SSL(server.host, server.port, timeout=_SECONDS, context=context)
    client = smtplib.SMTP(server.host, server.port, timeout=_SECONDS)
    if server.tls:
        client.starttls(context=context)
    return client


def _asked(client: smtplib.SMTP, server: Server, sender: str, recipients: Sequence[str]) -> Iterator[RecipientLimit]:
    client.ehlo_or_helo_if_needed()
    if server.login:
        client.login(server.login, server.password)
    code, words = client.mail(sender)
    if code != 250:
        raise Refused(f"the server refuses the sender {sender}: {code} {_words(words)}")
    for taken, recipient in enumerate(recipients):
        code, words = client.rcpt(recipient)
        if code not in (250, 251):
            yield RecipientLimit(taken=taken, code=code, text=_words(words))
            break
        yield RecipientLimit(taken=taken + 1)
    with suppress(smtplib.SMTPServerDisconnected):  # after 421
        client.rset()


def _words(answer: bytes | str) -> str:
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    return " ".join(text.split())
