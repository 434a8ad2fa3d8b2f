"""SASL PLAIN and LOGIN (RFC 4954, RFC 4616): from the AUTH command to the credentials."""

from base64 import b64decode
from binascii import Error
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from varco_common.base.client_text import decode_client_text
from varco_ingress_smtp.smtp import answers

MAX_LINE = 12_288  # RFC 4954 4, point 4
ASK_PLAIN = "334 "
ASK_LOGIN = "334 VXNlcm5hbWU6"  # "Username:", as every client knows it
ASK_SECRET = "334 UGFzc3dvcmQ6"  # noqa: S105 - "Password:"

Ask = Callable[[str], Awaitable[bytes]]


class Credentials(NamedTuple):
    """Login and password as the client sent them."""

    login: str
    password: str


class SaslError(Exception):
    """What the client sent are no credentials; `answer` is the reply to it."""

    def __init__(self, answer: str) -> None:
        super().__init__(answer)
        self.answer = answer


async def credentials(mechanism: str, initial: str, ask: Ask) -> Credentials:
    """Asks for what the initial response doesn't hold. Raises Unusable."""
    match mechanism.upper():
        case "PLAIN":
            return _plain(_decoded(initial.encode() if initial else await ask(ASK_PLAIN)))
        case "LOGIN":
            login = _decoded(initial.encode() if initial else await ask(ASK_LOGIN))
            return _credentials(login, _decoded(await ask(ASK_SECRET)))
        case "":
            raise SaslError(answers.AUTH_SYNTAX)
        case _:
            raise SaslError(answers.UNKNOWN_MECHANISM)


def login_in(mechanism: str, initial: str) -> str:
    """The login in an initial response, if there is one, for events about failures."""
    try:
        text = _decoded(initial.encode())
    except SaslError:
        return ""
    fields = text.split("\0")
    return fields[1 if mechanism.upper() == "PLAIN" and len(fields) > 1 else 0]


def _plain(text: str) -> Credentials:
    """`authzid NUL login NUL password` (RFC 4616 2); the authzid must be empty or the login."""
    fields = text.split("\0")
    if len(fields) != 3 or fields[0] not in ("", fields[1]):
        raise SaslError(answers.BAD_RESPONSE)
    return _credentials(fields[1], fields[2])


def _credentials(login: str, password: str) -> Credentials:
    if not login:
        raise SaslError(answers.BAD_RESPONSE)
    return Credentials(login, password)


def _decoded(word: bytes) -> str:
    if word == b"*":
        raise SaslError(answers.AUTH_CANCELLED)
    try:
        raw = b64decode(b"" if word == b"=" else word, validate=True)  # RFC 4954 4: `=` is an empty response
    except Error:
        raise SaslError(answers.BAD_RESPONSE) from None
    return decode_client_text(raw)
