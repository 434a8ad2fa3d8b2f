"""The ESMTP parameters of MAIL and RCPT (RFC 5321 4.1.1.11): each is read whole or refused."""

import re
from collections.abc import Callable, Mapping

from varco_common.mail.delivery_options import Notify, RecipientOptions, Return, is_xtext
from varco_ingress_smtp.smtp import answers
from varco_ingress_smtp.transaction import Transaction

MAX_ENVID = 100  # characters (RFC 3461 4.4)
MAX_ORCPT = 500  # characters (RFC 3461 4.2)
_OPTION_BYTES = 80  # of JSON around the options of a recipient
# RFC 3461 4.2: a type, and an address as xtext; RFC 6533 3 for those in UTF-8
_ORCPT = re.compile(r"(?:(?![Uu][Tt][Ff]-8;)[A-Za-z0-9-]+;(?:[!-*,-<>-~]|\+[0-9A-F]{2})+|[Uu][Tt][Ff]-8;[!-<>-~]+)")
_NOTIFY = {word.value: word for word in Notify}
_RETURN = {word.value: word for word in Return}


def read_mail_parameters(mail: Transaction, parameters: Mapping[str, str], *, offers_require_tls: bool) -> str:
    """Notes MAIL's parameters. Returns the answer to a bad one, or an empty text."""
    for name, value in parameters.items():
        read = _READERS.get(name)
        if read is None or (name == "REQUIRETLS" and not offers_require_tls):
            return answers.UNKNOWN_PARAMETER
        if not read(mail, value):
            return answers.BAD_PARAMETER
    return "" if mail.smtputf8 or mail.sender.isascii() else answers.NEEDS_SMTPUTF8


def read_recipient_parameters(address: str, parameters: Mapping[str, str]) -> RecipientOptions | str:
    """RCPT's parameters, or the answer to a bad one."""
    notify: tuple[Notify, ...] = ()
    orcpt = ""
    for name, value in parameters.items():
        match name:
            case "NOTIFY" if words := _notify(value):
                notify = words
            case "ORCPT" if _ORCPT.fullmatch(value) and len(value) <= MAX_ORCPT:  # RFC 3461 4.2
                orcpt = value
            case "NOTIFY" | "ORCPT":
                return answers.BAD_PARAMETER
            case _:
                return answers.UNKNOWN_PARAMETER
    return RecipientOptions(recipient=address, notify=notify, orcpt=orcpt)


def recipient_bytes(options: RecipientOptions) -> int:
    """What a recipient takes of the record's header."""
    size = len(options.recipient.encode())
    return size if not (options.notify or options.orcpt) else 2 * size + len(options.orcpt) + _OPTION_BYTES


def _notify(value: str) -> tuple[Notify, ...]:
    """RFC 3461 4.1: NEVER alone, or any of the others. Empty if it is neither."""
    words = [_NOTIFY.get(word) for word in value.upper().split(",")]
    known = tuple(dict.fromkeys(word for word in words if word))
    return () if None in words or (Notify.NEVER in known and len(words) > 1) else known


def _size(mail: Transaction, value: str) -> bool:
    """RFC 1870 3."""
    if not (value.isascii() and value.isdigit() and len(value) <= 20):
        return False
    mail.declared_size = int(value)
    return True


def _body(_: Transaction, value: str) -> bool:
    """RFC 6152 2. What the mail needs is seen in its bytes."""
    return value.upper() in ("7BIT", "8BITMIME")


def _smtputf8(mail: Transaction, value: str) -> bool:
    """RFC 6531 3.1."""
    mail.smtputf8 = not value
    return mail.smtputf8


def _auth(_: Transaction, value: str) -> bool:
    """RFC 4954 5: allowed, and not trusted."""
    return bool(value)


def _ret(mail: Transaction, value: str) -> bool:
    """RFC 3461 4.3."""
    mail.returns = _RETURN.get(value.upper())
    return mail.returns is not None


def _envid(mail: Transaction, value: str) -> bool:
    """RFC 3461 4.4."""
    mail.envid = value
    return is_xtext(value) and len(value) <= MAX_ENVID


def _require_tls(mail: Transaction, value: str) -> bool:
    """RFC 8689 2."""
    mail.require_tls = not value
    return mail.require_tls


_READERS: dict[str, Callable[[Transaction, str], bool]] = {
    "SIZE": _size,
    "BODY": _body,
    "SMTPUTF8": _smtputf8,
    "AUTH": _auth,
    "RET": _ret,
    "ENVID": _envid,
    "REQUIRETLS": _require_tls,
}
