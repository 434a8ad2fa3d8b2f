"""DKIM keys: made, sealed, and opened for signing (RFC 6376 3.3, RFC 8463)."""

import base64
import hashlib
from typing import NamedTuple, Protocol

from cachetools import LRUCache
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from varco_common.events import DkimAlgorithm
from varco_relay.dkim.signature import Sign

_RSA_BITS = 2048  # RFC 8301 3.2: signers use at least that
_MAX_OPEN = 2_000  # keys that are kept open: parsing one costs as much as a signature
_PADDING, _HASH = padding.PKCS1v15(), hashes.SHA256()


class KeyBox(Protocol):
    """What keys need of a SecretBox."""

    def encrypt(self, password: str) -> str: ...
    def decrypt(self, secret: str) -> str: ...


class NewKey(NamedTuple):
    """`public` is `p=` of a key record, `secret` the sealed private key."""

    public: str
    secret: str


def make_key(algorithm: DkimAlgorithm, box: KeyBox) -> NewKey:
    """Takes some 100 ms for RSA."""
    raw, der = serialization.Encoding.Raw, serialization.Encoding.DER
    if algorithm is DkimAlgorithm.ED25519:
        edwards = Ed25519PrivateKey.generate()
        public = edwards.public_key().public_bytes(raw, serialization.PublicFormat.Raw)  # RFC 8463 4
        private = edwards.private_bytes(raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
    else:
        key = rsa.generate_private_key(65_537, _RSA_BITS)
        public = key.public_key().public_bytes(der, serialization.PublicFormat.SubjectPublicKeyInfo)
        private = key.private_bytes(der, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return NewKey(base64.b64encode(public).decode(), box.encrypt(base64.b64encode(private).decode()))


class OpenKeys:
    """Keeps the keys open that were used last."""

    def __init__(self, box: KeyBox) -> None:
        self._box = box
        self._open: LRUCache[str, Sign] = LRUCache(_MAX_OPEN)

    def sign(self, algorithm: DkimAlgorithm, secret: str) -> Sign:
        """The function that signs with this key. Raises TransientError if it cannot be opened."""
        sign = self._open.get(secret)
        if sign is None:
            private = base64.b64decode(self._box.decrypt(secret))
            self._open[secret] = sign = _signing(algorithm, private)
        return sign


def _signing(algorithm: DkimAlgorithm, private: bytes) -> Sign:
    if algorithm is DkimAlgorithm.ED25519:
        edwards = Ed25519PrivateKey.from_private_bytes(private)
        return lambda data: edwards.sign(hashlib.sha256(data).digest())  # RFC 8463 3
    key = serialization.load_der_private_key(private, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return lambda data: key.sign(data, _PADDING, _HASH)
