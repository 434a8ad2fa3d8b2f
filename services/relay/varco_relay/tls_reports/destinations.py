"""Where a domain wants its reports: the TXT record at `_smtp._tls.<domain>` (RFC 8460 3). Pure."""

from urllib.parse import unquote, urlsplit

MAX_DESTINATIONS = 3  # the domain chose them, and may name anybody


def destinations(records: tuple[str, ...]) -> tuple[str, ...]:
    """Their URIs, `mailto:` and `https:` alone; none where there is not exactly one record."""
    reports = [record for record in records if record.split(";")[0].strip() == "v=TLSRPTv1"]
    if len(reports) != 1:
        return ()
    fields = dict(field.strip().partition("=")[::2] for field in reports[0].split(";") if "=" in field)
    uris = (uri.strip() for uri in fields.get("rua", "").split(","))
    return tuple(dict.fromkeys(uri for uri in uris if _is_usable(uri)))[:MAX_DESTINATIONS]


def mailbox(uri: str) -> str:
    """The address in a `mailto:` URI; empty in others (RFC 6068 2)."""
    scheme, _, rest = uri.partition(":")
    return unquote(rest.partition("?")[0]) if scheme.lower() == "mailto" else ""


def _is_usable(uri: str) -> bool:
    if not uri.isascii() or not uri.isprintable():
        return False
    if address := mailbox(uri):
        local, at, domain = address.rpartition("@")
        return bool(at and local and domain) and address.isascii() and not set(address) & set(' <>,;\r\n"')
    try:
        parts = urlsplit(uri)
        return parts.scheme == "https" and bool(parts.hostname) and parts.port != 0 and not parts.username
    except ValueError:
        return False
