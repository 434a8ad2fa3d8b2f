"""Settings that several services read, besides the bus and the stores, declared once."""

import socket
from datetime import timedelta
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from pydantic import AfterValidator, Field

from varco_common.base.settings import (
    BrokenSetting,
    CommaList,
    Duration,
    HostName,
    Internal,
    NetworkList,
    Port,
    SecretFile,
    Settings,
)
from varco_common.bus.settings import WithBus
from varco_common.runtime.token_signer import KEY_BYTES, TokenSigner
from varco_common.runtime.tokens import Keyring
from varco_common.storage.settings import WithDatabase

_PUBLIC_KEY = "VARCO_TOKEN_PUBLIC_KEY_FILE"
_PUBLIC = "a readable file with policy's public key in PEM, as `varco up` and `varco init` write it"


def _voters(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value or len(set(value)) != len(value):
        raise ValueError("the names of voters, each once, parted by commas; at least one: no answer is never a yes")
    return value


_LOCAL_DOMAINS = {"local", "localhost", "localdomain", "lan", "internal", "intranet", "home", "arpa", "alt"}


class WithBalancers(Settings):
    """The load balancers in front of SMTP and POP3, for all that must never ban them."""

    balancers: NetworkList = Field(
        default=(),
        validation_alias="VARCO_BALANCERS",
        description="Load balancers that must send a PROXY header (v1 or v2) with the client's address, to the ports of "
        "SMTP and POP3. They are never banned.",
    )
    smtp_balancers: Internal[NetworkList] = Field(
        default=(),
        validation_alias="VARCO_INGRESS_BALANCERS",
        description="Of an earlier version: further balancers, for SMTP alone.",
    )
    pop3_balancers: Internal[NetworkList] = Field(
        default=(),
        validation_alias="VARCO_ARCHIVE_BALANCERS",
        description="Of an earlier version: further balancers, for POP3 alone.",
    )

    @property
    def smtp_balancer_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        return tuple(map(ip_network, self.balancers + self.smtp_balancers))

    @property
    def pop3_balancer_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        return tuple(map(ip_network, self.balancers + self.pop3_balancers))

    @property
    def never_banned(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Every balancer: a ban is for the clients behind it."""
        return self.smtp_balancer_networks + self.pop3_balancer_networks


class WithProxies(Settings):
    """The reverse proxies in front of what browsers open: the console and the downloads."""

    proxies: NetworkList = Field(
        default=(),
        validation_alias="VARCO_PROXIES",
        description="Networks of the reverse proxies, in front of the console and the downloads, whose X-Forwarded-For "
        "names the client.",
    )


class WithCertificates(Settings):
    """The certificates of the ports for SMTP and POP3."""

    certificates: CommaList = Field(
        default=(),
        validation_alias="VARCO_CERTIFICATES",
        description="certificate:key files in PEM, separated by commas. Empty: each <name>.crt with <name>.key in "
        "VARCO_HOME/tls.",
    )


class WithBanAnswer(Settings):
    """What a banned client hears at the ports of SMTP and POP3."""

    tell_banned: bool = Field(
        default=False,
        validation_alias="VARCO_TELL_BANNED",
        description="Whether a banned client hears why and until when (SMTP: 554 in place of a greeting, POP3: -ERR) "
        "before its connection is closed. Otherwise it hears nothing. With the firewall agent, or inside TLS from the "
        "start, it never does.",
    )


class WithVoters(Settings):
    """The voters: ingress-smtp asks them for each mail, and audit asks them again later."""

    voters: Annotated[CommaList, AfterValidator(_voters)] = Field(
        default=("policy", "ratelimit", "banguard", "filelink"),
        validation_alias="VARCO_INGRESS_VOTERS",
        description="Every one of these voters must accept a mail. The order is the one in which a verdict weighs "
        "their refusals. `varco up` names those that are installed.",
    )


class WithHostname(Settings):
    """The name that clients and other mail servers know the gate by."""

    hostname: HostName = Field(
        default_factory=lambda: socket.gethostname() or "localhost",
        validation_alias="VARCO_HOSTNAME",
        description="The gate's name in DNS, such as smtp.acme.example. It stands in greetings, EHLO, Received fields, "
        "Message-IDs and notifications, and its certificate is the default one. Unset: the machine's name.",
    )

    @property
    def has_public_name(self) -> bool:
        """Whether other servers can know the name. RFC 6761, 6762 and 8375 reserve local ones."""
        first, dot, domain = self.hostname.lower().rstrip(".").partition(".")
        return bool(first and dot) and domain.rpartition(".")[2] not in _LOCAL_DOMAINS


class WithDomainProof(Settings):
    """Whether a domain must be proven: policy asks for it, domains tells of it."""

    domains_proof: Literal["on", "off"] = Field(
        default="on",
        validation_alias="VARCO_DOMAINS_PROOF",
        description="Whether an account's own token may authorise senders only under domains that the account has "
        "proven, or an operator vouches for. `off` is for closed networks, where no DNS has the records.",
    )

    @property
    def proof_required(self) -> bool:
        return self.domains_proof == "on"


class WithSmtpPorts(Settings):
    """ingress-smtp listens on these ports; the firewall closes them to banned hosts."""

    smtp_port: Port = Field(
        default=2525, validation_alias="VARCO_SMTP_PORT", description="SMTP with STARTTLS; 0 for none."
    )
    submission_port: Port = Field(
        default=2587, validation_alias="VARCO_SUBMISSION_PORT", description="Submission with STARTTLS; 0 for none."
    )
    smtps_port: Port = Field(
        default=2465, validation_alias="VARCO_SMTPS_PORT", description="Submission inside TLS; 0 for none."
    )


class WithPop3Ports(Settings):
    """archive listens on these ports; the firewall closes them to banned hosts."""

    pop3_port: Port = Field(default=2110, validation_alias="VARCO_POP3_PORT", description="POP3 with STLS; 0 for none.")
    pop3s_port: Port = Field(
        default=2995, validation_alias="VARCO_POP3S_PORT", description="POP3 inside TLS; 0 for none."
    )


class WithLinksPort(Settings):
    """Where linked attachments are downloaded."""

    links_port: Port = Field(
        default=8180, validation_alias="VARCO_LINKS_PORT", description="HTTP port of the downloads, open to all."
    )


class WithConsolePort(Settings):
    """Where people use the console."""

    console_port: Port = Field(
        default=8190, validation_alias="VARCO_CONSOLE_PORT", description="HTTP port of the console's web pages."
    )


API_PORT: Any = Field(
    default=8100,
    validation_alias="VARCO_API_PORT",
    description="Port of the service's HTTP API. `varco up` counts upwards from here, one port for each service.",
)


class WithApi(Settings):
    """The HTTP API that every service has."""

    api_port: Port = API_PORT
    api_ports: Internal[int] = Field(
        default=1,
        ge=1,
        le=100,
        validation_alias="VARCO_API_PORTS",
        description="How many ports to try from VARCO_API_PORT upwards. The first free one is used: for several "
        "processes of one service at one address.",
    )
    api_port_file: Internal[Path | None] = Field(
        default=None,
        validation_alias="VARCO_API_PORT_FILE",
        description="The service writes the port that it uses into this file, for a health check.",
    )
    token_public_key_file: Internal[Path | None] = Field(
        default=None,
        validation_alias="VARCO_TOKEN_PUBLIC_KEY_FILE",
        description="File with the public key that verifies API tokens. Empty: `secrets/token.public` in VARCO_HOME.",
    )

    @cached_property
    def token_public_key(self) -> bytes:
        """In PEM. Raises BrokenSetting."""
        path = self.token_public_key_file or self.home / "secrets" / "token.public"
        try:
            Keyring(key := path.read_bytes())
        except OSError as error:
            raise BrokenSetting(_PUBLIC_KEY, path, f"{_PUBLIC} ({error.strerror})") from None
        except (ValueError, UnsupportedAlgorithm):
            raise BrokenSetting(_PUBLIC_KEY, path, _PUBLIC) from None
        return key


class WithTokenKey(Settings):
    """The key that signs API tokens, which only policy has."""

    token_key_file: SecretFile | None = Field(
        default=None,
        validation_alias="VARCO_TOKEN_KEY_FILE",
        description="File with the secret that signs API tokens; only policy reads it. "
        "Empty: `secrets/token.key` in VARCO_HOME.",
    )

    @cached_property
    def token_signer(self) -> TokenSigner:
        """Raises BrokenSetting."""
        path = self.token_key_file or self.home / "secrets" / "token.key"
        try:
            key = path.read_bytes().strip()
        except OSError as error:
            raise BrokenSetting("VARCO_TOKEN_KEY_FILE", path, f"a readable file ({error.strerror})") from None
        if len(key) < KEY_BYTES:
            raise BrokenSetting("VARCO_TOKEN_KEY_FILE", path, f"a key of 32 bytes or more (it has {len(key)})")
        return TokenSigner(key)


class ServiceSettings(WithBus, WithApi):
    """What every service reads.

    Add WithObjectStore where it has bodies.
    """


class TableServiceSettings(ServiceSettings, WithDatabase):
    """What every service with tables reads."""


class WithVoteTimeout(Settings):
    """How long ingress-smtp waits for votes. A mail may be accepted that long after its votes."""

    vote_timeout: Internal[Duration] = Field(
        default=timedelta(seconds=5),
        validation_alias="VARCO_INGRESS_VOTE_TIMEOUT",
        description="How long a mail waits for the votes on it; then it is answered 451.",
    )
