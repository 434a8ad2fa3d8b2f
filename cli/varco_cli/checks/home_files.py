"""The secrets and certificates of a VARCO_HOME: readable, whole, and of use to the gate."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography.fernet import Fernet

from varco_cli.checks.finding import CheckFinding
from varco_cli.deployment.files import SERVICE_KEYS
from varco_common.base.durable_file import is_blank
from varco_common.runtime import tls
from varco_common.runtime.token_signer import KEY_BYTES

_RESTORE = "restore it from a backup"
_PAIR = "put NAME.crt (with its chain) and its NAME.key there, readable for the gate's user"


def check_secrets(folder: Path, shown: Path) -> Iterator[CheckFinding]:
    """Yields a finding for each secret that can't be used.

    `shown` is the folder's name for people.
    """
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        if file.is_file() and (what := _wrong(file)):
            yield CheckFinding(where=str(shown / file.name), what=what, write=_remedy(what))


def _wrong(file: Path) -> str:
    try:
        content = file.read_bytes()
    except OSError as error:
        return f"can't be read ({error.strerror})"
    if is_blank(content):
        return "is empty"
    if file.name == "token.key" and len(content.strip()) < KEY_BYTES:
        return f"has {len(content.strip())} bytes, a key needs {KEY_BYTES}"
    if file.name in SERVICE_KEYS:
        try:
            Fernet(content.strip())
        except ValueError:
            return "is no key as the first start makes it"
    return ""


def _remedy(what: str) -> str:
    if what.startswith("can't be read"):
        return "make it readable for the gate's user (chown, mode 0600)"
    return _RESTORE


def check_certificates(folder: Path, shown: Path, now: datetime | None = None) -> Iterator[CheckFinding]:
    """Yields a finding for each pair that can't be read, and where none is left for the gate."""
    now, usable = now or datetime.now(UTC), 0
    for certificate in sorted(folder.glob("*.crt")) if folder.is_dir() else ():
        where = str(shown / certificate.name)
        try:
            end = tls.end_of(tls.Pair(certificate, certificate.with_suffix(".key")))
        except (OSError, ValueError) as error:
            what, write = f"can't be used with {certificate.stem}.key ({tls.reason(error)})", _PAIR
            yield CheckFinding(where=where, what=what, write=write, warning=True)
            continue
        usable += 1
        if end < now:
            yield CheckFinding(
                where=where, what=f"ended on {end:%Y-%m-%d}", write="put a new one in its place", warning=True
            )
    if folder.is_dir() and not usable:
        yield CheckFinding(where=str(shown), what="no certificate can be used", write=_PAIR)
