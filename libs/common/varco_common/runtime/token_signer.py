"""Signs the API tokens. Only policy, and the commands that prepare a gate, have its key (ADR 1)."""

import hashlib
import hmac
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from varco_common.base.ids import new_id
from varco_common.runtime.tokens import ADMIN, ApiToken, InvalidToken, signed_text, token_parts

KEY_BYTES = 32  # the shortest secret that is accepted


class TokenSigner:
    """Mints tokens with the Ed25519 key that follows from `secret`, the content of token.key.

    `secret` also verifies the tokens that earlier versions made with it (HMAC-SHA256).
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        seed = HKDF(SHA256(), length=32, salt=None, info=b"varco api tokens, ed25519").derive(secret)
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @cached_property
    def public_key(self) -> bytes:
        """In PEM, as `Keyring` takes it."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def mint_admin(self) -> tuple[ApiToken, str]:
        """A token for everything, and its text, which is not stored anywhere."""
        return self._mint(ApiToken(id=new_id(), scope=ADMIN))

    def mint(self, account: str) -> tuple[ApiToken, str]:
        """A token for one account, and its text, which is not stored anywhere.

        Raises ValueError if the name can't be a scope.
        """
        if account == ADMIN:
            raise ValueError("no account can be called admin: its tokens would open all others")
        return self._mint(ApiToken(id=new_id(), scope=account))

    def mint_limited(
        self, scope: str, *, read_only: bool = False, until: int = 0, person: str = ""
    ) -> tuple[ApiToken, str]:
        """A token that reads only, ends (`until`, seconds since 1970), or acts for a person.

        Raises ValueError for what no token can hold.
        """
        return self._mint(ApiToken(id=new_id(), scope=scope, read_only=read_only, until=until, person=person))

    def renewed(self, text: str) -> str:
        """The token of an earlier version as it is signed today, under the same id.

        Raises InvalidToken.
        """
        return self._mint(self.verify_earlier(text))[1]

    def verify_earlier(self, text: str) -> ApiToken:
        """Verifies a token of an earlier version. Raises InvalidToken."""
        parts = token_parts(text)
        expected = hmac.new(self._secret, signed_text(parts.token), hashlib.sha256).digest()
        if not hmac.compare_digest(parts.signature, expected):
            raise InvalidToken("invalid token")
        return parts.token

    def _mint(self, token: ApiToken) -> tuple[ApiToken, str]:
        content = signed_text(token)
        text = f"{content.decode()}_{self._key.sign(content).hex()}"
        try:
            token_parts(text)
        except InvalidToken:
            raise ValueError(f"no scope for a token: {token.scope!r} {token.person}".rstrip()) from None
        return token, text
