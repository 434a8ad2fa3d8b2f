"""A self-signed certificate for the names of this machine, to try Varco with."""

import ipaddress
import socket
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID = timedelta(days=3650)


def self_signed(address: str, *names: str, now: datetime | None = None) -> tuple[str, str]:
    """Returns a certificate and its private key (P-256) as PEM.

    The certificate is for localhost, the name of this host, `names` and `address`.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    start = now or datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - timedelta(days=1))
        .not_valid_after(start + VALID)
        .add_extension(x509.SubjectAlternativeName(_names(address, names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode().strip(), private.decode().strip()


def _names(address: str, names: Iterable[str]) -> list[x509.GeneralName]:
    hosts = dict.fromkeys(["localhost", *names, socket.gethostname(), socket.getfqdn()])
    addresses = dict.fromkeys(["127.0.0.1", "::1", address])
    return [
        *(x509.DNSName(host) for host in hosts if host.isascii() and len(host) < 250 and ":" not in host),
        *(x509.IPAddress(ipaddress.ip_address(address)) for address in addresses),
    ]
