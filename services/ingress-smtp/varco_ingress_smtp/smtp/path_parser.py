"""The arguments of MAIL and RCPT: paths and parameters, each parsed by one expression."""

import re
from dataclasses import dataclass

MAX_LOCAL_PART = 64  # RFC 5321 4.5.3.1.1
MAX_DOMAIN = 255  # RFC 5321 4.5.3.1.2
MAX_PATH = 256  # RFC 5321 4.5.3.1.3, with its brackets

# Beyond ASCII: RFC 6531 3.3 less what RFC 5198 2 forbids, controls and line separators. The classes
# name what they leave out, because Python takes 60 ms to compile those that span Unicode.
_NEVER = r"\x7f-\xa0\u2028-\u202f"
# Dots stand anywhere: docomo gave out addresses such as `a..b@` and `a.@`, which RFC 5321 forbids.
_DOTTED = rf'[^\x00-\x20"(),:;<>@\[\\\]{_NEVER}]+'
_QUOTED = rf'"(?:[^\x00-\x1f"\\{_NEVER}]|\\[\x20-\x7e])*"'
_NO_NAME = rf"\x00-,./:-@\[-\^`{{-~{_NEVER}"  # all but A-Z, a-z, 0-9, _, - and what is beyond ASCII
_LABEL = rf"[^-{_NO_NAME}](?:[^{_NO_NAME}]*[^-{_NO_NAME}])?"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Za-z.:-]+\])"
_ROUTE = rf"(?:@{_DOMAIN}(?:,@{_DOMAIN})*:)?"  # RFC 5321 4.1.1.3: to be recognised, and ignored
_MAILBOX = rf"{_ROUTE}(?P<address>(?P<local>{_DOTTED}|{_QUOTED})@(?P<domain>{_DOMAIN}))"
_PARAMETERS = r"(?P<parameters>(?: +[A-Za-z0-9][A-Za-z0-9-]*(?:=[^\x00-\x20=\x7f]+)?)*) *"

_MAIL = re.compile(rf"[Ff][Rr][Oo][Mm]: *<(?:{_MAILBOX})?>{_PARAMETERS}")
_RCPT = re.compile(rf"[Tt][Oo]: *<{_MAILBOX}>{_PARAMETERS}")
_LOOSE = re.compile(
    r"(?i)(?P<keyword>from|to) *+: *+(?P<open><?) *+(?P<address>[^\s<>]+) *(?P<close>>?)(?P<rest>(?: .*)?)"
)
_BRACKETS = re.compile(r": *<[^<>]*>")


@dataclass(frozen=True, slots=True)
class MailPath:
    """`address` comes without brackets and route, empty for `<>`; parameters by upper-case name.

    `repeated`: a parameter stands twice.
    """

    address: str
    parameters: dict[str, str]
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class MalformedPath:
    """No path. `address`: the brackets were there, but hold no address."""

    address: bool


def parse_mail(argument: str) -> MailPath | MalformedPath:
    """The argument of MAIL: `FROM:<reverse-path> parameters`."""
    return _parse(_MAIL, argument, "FROM")


def parse_rcpt(argument: str) -> MailPath | MalformedPath:
    """The argument of RCPT: `TO:<forward-path> parameters`."""
    return _parse(_RCPT, argument, "TO")


def repaired_argument(argument: str, domain: str) -> str:
    """As an old device means it: in brackets, and with `domain` if the address has none."""
    match = _LOOSE.fullmatch(argument)
    if not match or bool(match["open"]) != bool(match["close"]):
        return argument
    address = match["address"] if "@" in match["address"] or not domain else f"{match['address']}@{domain}"
    return f"{match['keyword']}:<{address}>{match['rest']}"


def _parse(form: re.Pattern[str], argument: str, keyword: str) -> MailPath | MalformedPath:
    match = form.fullmatch(argument)
    if not match:
        return MalformedPath(
            address=argument.upper().startswith(keyword) and bool(_BRACKETS.match(argument, len(keyword)))
        )
    address = match["address"] or ""
    if address and not _within_lengths(match["local"], match["domain"]):
        return MalformedPath(address=True)
    given = match["parameters"]
    if not given:
        return MailPath(address, {})
    parameters = _parameters(given)
    return MailPath(address, parameters, repeated=len(parameters) < len(given.split()))


def _within_lengths(local: str, domain: str) -> bool:
    """In octets: RFC 6531 3.1 counts the UTF-8 form."""
    try:
        sizes = len(local.encode()), len(domain.encode())
    except UnicodeEncodeError:  # bytes that are no UTF-8
        return False
    return sizes[0] <= MAX_LOCAL_PART and sizes[1] <= MAX_DOMAIN and sum(sizes) + 3 <= MAX_PATH


def _parameters(given: str) -> dict[str, str]:
    pairs = (word.partition("=") for word in given.split())
    return {name.upper(): value for name, _, value in pairs}
