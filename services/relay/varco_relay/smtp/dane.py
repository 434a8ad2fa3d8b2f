"""Does a certificate match the TLSA records of its host (RFC 6698, RFC 7672)? Pure."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from varco_common.dns.answers import TlsaRecord

_TRUST_ANCHOR, _END_ENTITY = 2, 3  # RFC 7672 3.1.3: the other usages can't be used for SMTP
_DIGESTS: dict[int, Callable[[bytes], bytes]] = {  # RFC 6698 2.1.3
    0: lambda data: data,
    1: lambda data: hashlib.sha256(data).digest(),
    2: lambda data: hashlib.sha512(data).digest(),
}


def usable(record: TlsaRecord) -> bool:
    """Whether it can authenticate a mail server."""
    return (
        record.usage in (_TRUST_ANCHOR, _END_ENTITY) and record.selector in (0, 1) and record.matching_type in _DIGESTS
    )


def mismatch(records: Sequence[TlsaRecord], chain: Sequence[bytes], host: str, now: datetime) -> str:
    """Why the certificates (DER, the server's own first) do not match; empty if they do.

    RFC 7672 2.2: records none of which can be used ask for TLS, and authenticate nobody.
    """
    wanted = [record for record in records if usable(record)]
    if not wanted:
        return ""
    try:
        certificates = [x509.load_der_x509_certificate(der) for der in chain]
    except ValueError as error:
        return f"a certificate can't be read: {error}"
    if not certificates:
        return "there is no certificate"
    if any(record.usage == _END_ENTITY and _matches(record, certificates[0]) for record in wanted):
        return ""  # RFC 7672 3.1.1: neither its name nor its dates count
    anchors = [record for record in wanted if record.usage == _TRUST_ANCHOR]
    for place, certificate in enumerate(certificates):
        if any(_matches(record, certificate) for record in anchors):
            return _broken(certificates[: place + 1], host, now)
    return "the certificate doesn't match the TLSA records of the host"


def _matches(record: TlsaRecord, certificate: x509.Certificate) -> bool:
    if record.selector == 0:
        data = certificate.public_bytes(Encoding.DER)
    else:
        data = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return _DIGESTS[record.matching_type](data) == record.data


def _broken(chain: Sequence[x509.Certificate], host: str, now: datetime) -> str:
    """Why the chain does not lead from the host's name to its last certificate."""
    for certificate in chain:
        if not certificate.not_valid_before_utc <= now.astimezone(UTC) <= certificate.not_valid_after_utc:
            return "a certificate is not valid now"
    for certificate, issuer in pairwise(chain):
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            return "the certificates don't lead to the one that the TLSA records name"
    return "" if _names(chain[0], host) else f"the certificate is not for {host}"


def _names(certificate: x509.Certificate, host: str) -> bool:
    """RFC 6125 6.4.3: a wildcard is the whole first label."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return False
    wanted = host.lower().rstrip(".")
    names = [name.lower().rstrip(".") for name in extension.value.get_values_for_type(x509.DNSName)]
    return any(name == wanted or (name.startswith("*.") and wanted.partition(".")[2] == name[2:]) for name in names)
