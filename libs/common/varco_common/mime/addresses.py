"""The addresses of a From or Sender field (RFC 5322 3.4, and what clients make of worse)."""

import re

from varco_common.mime.defects import Defect, DefectFound
from varco_common.mime.encoded_words import text, unworded
from varco_common.mime.headers import MAX_FIELD, unfolded

MAX_AUTHORS = 32
_MAX_ADDRESS = 320  # characters of one address: 64 + @ + 255 (RFC 5321 4.5.3.1)

# What nearly all mails have: `name <local@domain>`, or the address alone.
_ADDRESS = rb"[^\s<>()\[\],;:@\"\\]+@[^\s<>()\[\],;:@\"\\]+"
_COMMON = re.compile(rb'(?:(?:"[^"\\<>]*"\s*|[^"\\<>(),:;@]*)<(' + _ADDRESS + rb")>|(" + _ADDRESS + rb"))\Z")
_TOKEN = re.compile(
    rb'"(?:[^"\\]|\\.)*"|<[^<>"]*(?:"(?:[^"\\]|\\.)*"[^<>"]*)*>|\[[^\[\]]*\]|[^\s"<>\[\](),;:\\@]+|\\?.|\s', re.DOTALL
)
_DOT_ATOM = re.compile(rb"[^\s()<>\[\]:;@\\,\".]+(?:\.[^\s()<>\[\]:;@\\,\".]+)*\Z")
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"\Z', re.DOTALL)
_ADDR_SPEC = re.compile(
    rb'(?:"(?:[^"\\]|\\.)*"|[^\s"@<>(),;:\\]+)@(?:\[[^\[\]\s]*\]|[^\s"@<>(),;:\\\[\]]+)\Z', re.DOTALL
)
_WORD_IN_ADDRESS = re.compile(rb"\?=[^\s<>,;]*@|@[^\s<>,;]*=\?")  # RFC 2047 5: never there
_PARTING = ',;"()'


def addresses(values: list[bytes], found: DefectFound) -> tuple[str, ...]:
    """Every address of all the given fields' values, in their order, without duplicates.

    A defect is found where a field gives none, or gives two clients two.
    """
    result: dict[str, None] = {}
    for value in values:
        common = _COMMON.match(value.strip()) if len(value) < MAX_FIELD and b"=?" not in value else None
        if common:
            result[text(common[1] or common[2])] = None
        else:
            result.update(dict.fromkeys(_parsed(unfolded(value), found)))
    if len(result) > MAX_AUTHORS:
        found.add(Defect.TOO_MANY_AUTHORS)
    return tuple(result)[:MAX_AUTHORS]


def _parsed(value: bytes, found: DefectFound) -> list[str]:
    if len(value) > MAX_FIELD or _shows_another(value):
        found.add(Defect.FROM_UNREADABLE)
    value = _uncommented(value[:MAX_FIELD], found)
    result: list[str] = []
    for mailbox in _mailboxes(value, found):
        for spec in _specs(mailbox, found):
            if _ADDR_SPEC.match(spec) and len(spec) <= _MAX_ADDRESS:
                result.append(text(_plain(spec)))
            else:
                found.add(Defect.FROM_UNREADABLE)
    if not result:
        found.add(Defect.FROM_UNREADABLE)
    return result


def _shows_another(value: bytes) -> bool:
    """Encoded words that hold what parts addresses, or stand inside one: who decodes before parsing sees another author.

    Names with a comma or brackets are common, those with an @ as well: only together they make an address.
    """
    if b"=?" not in value:
        return False
    shown = unworded(value)
    if shown.count("<") != value.count(b"<") or any(char < " " and char != "\t" for char in shown):
        return True
    if shown.count("@") == value.count(b"@"):
        return False
    return _WORD_IN_ADDRESS.search(value) is not None or any(
        shown.count(c) != value.count(c.encode()) for c in _PARTING
    )


def _uncommented(value: bytes, found: DefectFound) -> bytes:
    """RFC 5322 3.2.2: comments nest, and quoted strings hold none."""
    if b"(" not in value:
        return value
    kept: list[bytes] = []
    depth = 0
    for token in _TOKEN.findall(value):
        if token == b"(":
            depth += 1
        elif token == b")":
            depth -= 1
            if depth < 0:
                found.add(Defect.FROM_UNREADABLE)
                depth = 0
        elif not depth:
            kept.append(token)
    if depth:
        found.add(Defect.FROM_UNREADABLE)
    return b"".join(kept)


def _mailboxes(value: bytes, found: DefectFound) -> list[list[bytes]]:
    """The tokens of each mailbox; commas part them, `name:` opens a group and `;` ends it (RFC 5322 3.4)."""
    boxes: list[list[bytes]] = [[]]
    group = False
    for token in _TOKEN.findall(value):
        if token == b":" and not group:
            group = True
            boxes[-1] = []
        elif token in (b",", b";"):
            group = group and token == b","
            boxes.append([])
        elif token in (b"<", b">", b'"', b":") or token.startswith(b"\\"):
            found.add(Defect.FROM_UNREADABLE)
        else:
            boxes[-1].append(token)
    return [box for box in boxes if any(not token.isspace() for token in box)]


def _specs(tokens: list[bytes], found: DefectFound) -> list[bytes]:
    """The address of one mailbox: what stands in angle brackets, or else the whole without its blanks."""
    angles = [token for token in tokens if token.startswith(b"<")]
    if not angles:
        return [b"".join([token for token in tokens if not token.isspace()])]
    if len(angles) > 1 or any(not token.isspace() for token in tokens[tokens.index(angles[0]) + 1 :]):
        found.add(Defect.FROM_UNREADABLE)
    return [_unrouted(angle[1:-1].strip()) for angle in angles]


def _unrouted(spec: bytes) -> bytes:
    """RFC 5322 4.4: an obsolete route, `@a,@b:`, stands before the address."""
    return spec.rpartition(b":")[2] if spec.startswith(b"@") else spec


def _plain(spec: bytes) -> bytes:
    """`"john"@a.b` is `john@a.b` (RFC 5321 4.1.2): quotes that quote nothing go."""
    local, _, domain = spec.rpartition(b"@")
    quoted = _QUOTED.match(local)
    if not quoted:
        return spec
    bare = re.sub(rb"\\(.)", rb"\1", quoted[1], flags=re.DOTALL)
    return bare + b"@" + domain if _DOT_ATOM.match(bare) else spec
