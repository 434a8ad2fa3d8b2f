"""How a TLS session with a mail server began, or why it did not, in the words of RFC 8460. Pure."""

from enum import StrEnum
from typing import Protocol

import msgspec


class TlsResult(StrEnum):
    """Result types of RFC 8460 4.3."""

    STARTTLS_NOT_SUPPORTED = "starttls-not-supported"
    HOST_MISMATCH = "certificate-host-mismatch"
    EXPIRED = "certificate-expired"
    NOT_TRUSTED = "certificate-not-trusted"
    VALIDATION_FAILURE = "validation-failure"
    DNSSEC_INVALID = "dnssec-invalid"
    STS_FETCH_ERROR = "sts-policy-fetch-error"
    STS_INVALID = "sts-policy-invalid"
    STS_WEBPKI_INVALID = "sts-webpki-invalid"


class PolicyType(StrEnum):
    """RFC 8460 4.4."""

    STS = "sts"
    TLSA = "tlsa"
    NONE = "no-policy-found"


class AppliedPolicy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a session went by. `domain` is that of the recipients, `name` the one with the policy.

    `strings` are the policy, `mx` the hosts that it names, both as in RFC 8460 4.4.
    """

    domain: str
    kind: PolicyType
    name: str
    strings: tuple[str, ...] = ()
    mx: tuple[str, ...] = ()


class TlsFailure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a session did not begin as its policy asks. Addresses are empty where there were none."""

    result: TlsResult
    reason: str = ""
    host: str = ""
    sending_ip: str = ""
    receiving_ip: str = ""


class SessionLog(Protocol):
    """Who counts sessions. A `failure` of None: it began as it should."""

    def note(self, policy: AppliedPolicy, failure: TlsFailure | None) -> None: ...
