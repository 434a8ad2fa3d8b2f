"""Certificates by host name (SNI), loaded again when their files change; TLS 1.2 or newer."""

import ssl
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from weakref import WeakKeyDictionary

from cryptography import x509
from prometheus_client import Gauge

from varco_common.base import log
from varco_common.base.settings import BrokenSetting

CHECK_SECONDS = 1.0
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:!aNULL:!eNULL:!PSK"  # RFC 9325 4.2

WARN_DAYS = 14
WARN_SECONDS = 86_400.0

END = Gauge(
    "varco_tls_certificate_end_timestamp_seconds", "When a certificate in use ends (seconds since 1970)", ["name"]
)

_log = log.get(__name__)
_Stamp = tuple[tuple[str, int, int], ...]


class Pair(NamedTuple):
    """The files of one certificate (with its chain) and its key."""

    certificate: Path
    key: Path


class Certificates:
    """The pairs `<name>.crt` and `<name>.key` of a directory, or listed ones (`crt:key`).

    `default` is the name of the certificate for unknown host names. `variable` is the setting that
    lists the certificates; errors name it.
    """

    def __init__(
        self,
        directory: Path,
        listed: tuple[str, ...] = (),
        default: str = "",
        *,
        variable: str = "VARCO_INGRESS_CERTIFICATES",
    ) -> None:
        self._directory = directory
        self._variable = variable
        self._listed = tuple(_listed_pair(entry, variable) for entry in listed)
        self._default = default
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._names: WeakKeyDictionary[ssl.SSLObject, str] = WeakKeyDictionary()
        self._stamp: _Stamp = ()
        self._checked = 0.0
        self._ends: dict[str, datetime] = {}
        self._warned = -WARN_SECONDS
        self.context = _new_context()
        self.context.sni_callback = self._choose
        self._load(self._pairs())

    def server_name(self, connection: ssl.SSLObject | None) -> str:
        """The name that the client asked for (SNI), in lower case; empty if it sent none."""
        return self._names.get(connection, "") if connection else ""

    @property
    def names(self) -> list[str]:
        return sorted(name for name in self._contexts if name)

    def _choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        self._reload_if_changed()
        requested = (name or "").lower().rstrip(".")
        self._names[connection] = requested
        connection.context = (
            self._contexts.get(requested)
            or self._contexts.get(f"*.{requested.partition('.')[2]}")
            or self._contexts[""]
        )

    def _reload_if_changed(self) -> None:
        """Loads changed files.

        While a pair doesn't match (half renewed), the old ones stay in use.
        """
        now = time.monotonic()
        if now - self._checked < CHECK_SECONDS:
            return
        self._checked = now
        try:
            pairs = self._pairs()
            self._warn(now)
            if _stamped(pairs) != self._stamp:
                self._load(pairs)
                _log.info("certificates loaded", names=self.names)
        except (OSError, BrokenSetting) as error:
            _log.error("certificates not loaded: the old ones stay in use", error=str(error))

    def _report_ends(self, ends: dict[str, datetime]) -> None:
        """Writes when each certificate ends into the metrics.

        Logs those that end soon, now and every day.
        """
        for name in self._ends.keys() - ends.keys():
            with suppress(KeyError):  # two services of one process may have the same certificates
                END.remove(name)
        for name, end in ends.items():
            END.labels(name).set(end.timestamp())
        self._ends, self._warned = ends, -WARN_SECONDS
        self._warn(time.monotonic())

    def _warn(self, now: float) -> None:
        if now - self._warned < WARN_SECONDS:
            return
        self._warned = now
        soon = datetime.now(UTC) + timedelta(days=WARN_DAYS)
        for name, end in self._ends.items():
            if end < soon:
                _log.warning("a certificate ends soon: put a new one in its place", name=name, end=end.isoformat())

    def _pairs(self) -> tuple[Pair, ...]:
        if self._listed:
            return self._listed
        files = sorted(self._directory.glob("*.crt"))
        return tuple(Pair(path, path.with_suffix(".key")) for path in files if path.with_suffix(".key").exists())

    def _load(self, pairs: tuple[Pair, ...]) -> None:
        if not pairs:
            raise BrokenSetting(self._variable, "", f"<name>.crt and <name>.key in {self._directory}")
        stamp = _stamped(pairs)
        contexts: dict[str, ssl.SSLContext] = {}
        ends: dict[str, datetime] = {}
        for pair in pairs:
            context, names, ends[pair.certificate.stem.lower()] = self._read(pair)
            for name in names:
                contexts.setdefault(name, context)
            contexts[pair.certificate.stem.lower()] = context
        first = contexts[pairs[0].certificate.stem.lower()]
        contexts[""] = contexts.get("default") or contexts.get(self._default.lower()) or first
        self._contexts, self._stamp = contexts, stamp
        self._report_ends(ends)

    def _read(self, pair: Pair) -> tuple[ssl.SSLContext, list[str], datetime]:
        context = _new_context()
        try:
            context.load_cert_chain(pair.certificate, pair.key)
            leaf = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
            return context, _names_of(leaf), leaf.not_valid_after_utc
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            expected = f"a certificate in PEM form, and its key in {pair.key} ({error})"
            raise BrokenSetting(self._variable, pair.certificate, expected) from error


def _new_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    return context


def _names_of(leaf: x509.Certificate) -> list[str]:
    """The DNS names that the certificate is for."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [name.lower() for name in names.get_values_for_type(x509.DNSName)]


def _stamped(pairs: tuple[Pair, ...]) -> _Stamp:
    stats = [(path, path.stat()) for pair in pairs for path in pair]
    return tuple((str(path), stat.st_mtime_ns, stat.st_ino) for path, stat in stats)


def _listed_pair(entry: str, variable: str) -> Pair:
    certificate, _, key = entry.partition(":")
    if not key:
        raise BrokenSetting(variable, entry, "certificate and key file, parted by a colon")
    return Pair(Path(certificate), Path(key))
