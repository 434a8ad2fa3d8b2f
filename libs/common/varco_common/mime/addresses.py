"""The addresses of a From or Sender field: RFC 5322 3.4, and the readings of lenient clients."""

import re

from varco_common.mime.defects import Defect, Defects
from varco_common.mime.encoded_words import decode_encoded_words, to_text
from varco_common.mime.headers import MAX_FIELD, unfold

MAX_AUTHORS = 32
_MAX_ADDRESS = 320  # characters of one address: 64 + @ + 255 (RFC 5321 4.5.3.1)

# Nearly all mails: `name <local@domain>`, or the address alone.
_ADDRESS = rb"[^\s<>()\[\],;:@\"\\]+@[^\s<>()\[\],;:@\"\\]+"
_COMMON = re.compile(rb'(?:(?:"[^"\\<>]*"\s*|[^"\\<>(),:;@]*)<(' + _ADDRESS + rb")>|(" + _ADDRESS + rb"))\Z")
# Each token matches wherever it begins, also without an end: then no text is read twice.
_QUOTED_TOKEN = rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)'
_ANGLE_TOKEN = rb'<(?:[^<>"]++|' + _QUOTED_TOKEN + rb")*+>?"
_TOKEN = re.compile(
    rb"(?:" + _QUOTED_TOKEN + rb"|" + _ANGLE_TOKEN + rb'|\[[^\[\]]*+\]|[^\s"<>\[\](),;:\\@]++|\\?.|\s)', re.DOTALL
)
_OUTSIDE_COMMENT = re.compile(_QUOTED_TOKEN + rb"|" + _ANGLE_TOKEN + rb'|[()]|\\.?|[^"<\\()]++', re.DOTALL)
_IN_COMMENT = re.compile(rb"[()]|\\.?|[^\\()]++", re.DOTALL)
_DOT_ATOM = re.compile(rb"[^\s()<>\[\]:;@\\,\".]++(?:\.[^\s()<>\[\]:;@\\,\".]++)*+\Z")
_QUOTED = re.compile(rb'"((?:[^"\\]++|\\.)*+)"\Z', re.DOTALL)
_ADDR_SPEC = re.compile(
    rb'(?:"(?:[^"\\]++|\\.)*+"|[^\s"@<>(),;:\\]++)@(?:\[[^\[\]\s]*+\]|[^\s"@<>(),;:\\\[\]]++)\Z', re.DOTALL
)
_WORD_ENDS = re.compile(rb"[\s<>,;]")
_SEPARATORS = ',;"()'


def parse_addresses(values: list[bytes], defects: Defects) -> tuple[str, ...]:
    """Every address in the values of the fields, in their order, without duplicates.

    Adds a defect if a field has none, or if two clients would read two.
    """
    result: dict[str, None] = {}
    left = MAX_FIELD  # of all fields together: there is one in a well-formed mail
    for value in values:
        left -= len(value)
        if left < 0 and value is not values[0]:
            defects.add(Defect.FROM_UNREADABLE)
            break
        common = _COMMON.match(value.strip()) if len(value) < MAX_FIELD and b"=?" not in value else None
        if common:
            result[to_text(common[1] or common[2])] = None
        else:
            result.update(dict.fromkeys(_parsed(unfold(value), defects)))
    if len(result) > MAX_AUTHORS:
        defects.add(Defect.TOO_MANY_AUTHORS)
    return tuple(result)[:MAX_AUTHORS]


def _parsed(value: bytes, defects: Defects) -> list[str]:
    if len(value) > MAX_FIELD or _hides_an_address(value):
        defects.add(Defect.FROM_UNREADABLE)
    value = _without_comments(value[:MAX_FIELD], defects)
    result: list[str] = []
    for mailbox in _mailboxes(value, defects):
        for spec in _specs(mailbox, defects):
            if _ADDR_SPEC.match(spec) and len(spec) <= _MAX_ADDRESS:
                result.append(to_text(_plain(spec)))
            else:
                defects.add(Defect.FROM_UNREADABLE)
    if not result:
        defects.add(Defect.FROM_UNREADABLE)
    return result


def _hides_an_address(value: bytes) -> bool:
    """Whether a client that decodes encoded words before it parses would see another author.

    Encoded words with a comma or brackets are common, and so are those with an @. Only together do
    they make an address.
    """
    if b"=?" not in value:
        return False
    shown = decode_encoded_words(value)
    if shown.count("<") != value.count(b"<") or any(char < " " and char != "\t" for char in shown):
        return True
    if shown.count("@") == value.count(b"@"):
        return False
    return any(map(_word_in_address, _WORD_ENDS.split(value))) or any(
        shown.count(c) != value.count(c.encode()) for c in _SEPARATORS
    )


def _word_in_address(word: bytes) -> bool:
    """Whether an encoded word stands beside an @, which RFC 2047 5 forbids."""
    return b"@" in word and (word.find(b"?=") in range(word.rfind(b"@")) or word.rfind(b"=?") > word.find(b"@"))


def _without_comments(value: bytes, defects: Defects) -> bytes:
    """A blank for each comment. They nest, and a quoted string has none (RFC 5322 3.2.2)."""
    if b"(" not in value and b")" not in value:
        return value
    kept: list[bytes] = []
    depth = at = 0
    while token := (_IN_COMMENT if depth else _OUTSIDE_COMMENT).match(value, at):
        at = token.end()
        if token[0] == b"(":
            depth += 1
        elif token[0] == b")" and depth:
            depth -= 1
            if not depth:
                kept.append(b" ")
        elif token[0] == b")":
            defects.add(Defect.FROM_UNREADABLE)
        elif not depth:
            kept.append(token[0])
    if depth:
        defects.add(Defect.FROM_UNREADABLE)
    return b"".join(kept)


def _mailboxes(value: bytes, defects: Defects) -> list[list[bytes]]:
    """The tokens of each mailbox.

    Commas separate them, `name:` opens a group, `;` ends it (RFC 5322 3.4).
    """
    mailboxes: list[list[bytes]] = [[]]
    in_group = False
    for token in _TOKEN.findall(value):
        if token == b":" and not in_group:
            in_group = True
            mailboxes[-1] = []
        elif token in (b",", b";"):
            in_group = in_group and token == b","
            mailboxes.append([])
        elif token in (b">", b":") or token.startswith(b"\\") or not _is_closed(token):
            defects.add(Defect.FROM_UNREADABLE)
        else:
            mailboxes[-1].append(token)
    return [mailbox for mailbox in mailboxes if any(not token.isspace() for token in mailbox)]


def _is_closed(token: bytes) -> bool:
    match token[:1]:
        case b'"':
            return _QUOTED.match(token) is not None
        case b"<":
            return token.endswith(b">")
        case _:
            return True


def _specs(tokens: list[bytes], defects: Defects) -> list[bytes]:
    """The address of a mailbox: the text in angle brackets, or else all of it."""
    angles = [token for token in tokens if token.startswith(b"<")]
    if not angles:
        return _bare_spec(tokens, defects)
    if len(angles) > 1 or any(not token.isspace() for token in tokens[tokens.index(angles[0]) + 1 :]):
        defects.add(Defect.FROM_UNREADABLE)
    return [_without_route(angle[1:-1].strip()) for angle in angles]


def _bare_spec(tokens: list[bytes], defects: Defects) -> list[bytes]:
    """An address without brackets. Blanks may stand around @ and dots alone (RFC 5322 4.4).

    Of `Alice Rossi alice@acme.example` nobody wrote one address.
    """
    spec: list[bytes] = []
    apart = False
    for token in tokens:
        if token.isspace():
            apart = True
            continue
        if apart and spec and not spec[-1].endswith((b"@", b".")) and not token.startswith((b"@", b".")):
            defects.add(Defect.FROM_UNREADABLE)
            return []
        spec.append(token)
        apart = False
    return [b"".join(spec)]


def _without_route(spec: bytes) -> bytes:
    """Removes an obsolete route, `@a,@b:`, before the address (RFC 5322 4.4)."""
    return spec.rpartition(b":")[2] if spec.startswith(b"@") else spec


def _plain(spec: bytes) -> bytes:
    """Removes needless quotes: `"john"@a.b` is `john@a.b` (RFC 5321 4.1.2)."""
    local, _, domain = spec.rpartition(b"@")
    quoted = _QUOTED.match(local)
    if not quoted:
        return spec
    bare = re.sub(rb"\\(.)", rb"\1", quoted[1], flags=re.DOTALL)
    return bare + b"@" + domain if _DOT_ATOM.match(bare) else spec
