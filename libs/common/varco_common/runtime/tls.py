"""Certificates by host name (SNI), loaded again when their files change; TLS 1.2 or newer."""

import ssl
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from weakref import WeakKeyDictionary

from cryptography import x509
from prometheus_client import Gauge

from varco_common.base import log
from varco_common.base.errors import Degraded
from varco_common.base.settings import BrokenSetting

CHECK_SECONDS = 1.0
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:!aNULL:!eNULL:!PSK"  # RFC 9325 4.2

WARN_SHARE = 5  # warns in the last fifth of a certificate's life: it may last six days or two years
WARN_SECONDS = 86_400.0

END = Gauge(
    "varco_tls_certificate_end_timestamp_seconds", "When a certificate in use ends (seconds since 1970)", ["name"]
)
START = Gauge(
    "varco_tls_certificate_start_timestamp_seconds", "When a certificate in use began (seconds since 1970)", ["name"]
)

_VARIABLE = "VARCO_CERTIFICATES"  # for errors

_log = log.get(__name__)
_Stamp = tuple[tuple[str, int, int], ...]


class Pair(NamedTuple):
    """The files of one certificate (with its chain) and its key."""

    certificate: Path
    key: Path


class _Loaded(NamedTuple):
    """A pair that is in use. `names` are the DNS names that its certificate is for."""

    context: ssl.SSLContext
    names: tuple[str, ...]
    start: datetime
    end: datetime
    self_signed: bool


class Certificates:
    """The pairs `<name>.crt` and `<name>.key` of a directory, or listed ones (`crt:key`).

    A client that asks for no name, or for an unknown one, gets `default.crt`, else a certificate
    for the host name `default`, else the first that is not self-signed. A pair that can't be read
    is left out, and its former content stays in use.
    """

    def __init__(
        self,
        directory: Path,
        listed: tuple[str, ...] = (),
        default: str = "",
    ) -> None:
        self._directory = directory
        self._listed = tuple(map(_listed_pair, listed))
        self._default = default
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._names: WeakKeyDictionary[ssl.SSLObject, str] = WeakKeyDictionary()
        self._stamp: _Stamp = ()
        self._checked = 0.0
        self._loaded: dict[Pair, _Loaded] = {}
        self._unreadable: dict[Pair, str] = {}
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

    def check(self) -> None:
        """For /readyz: raises Degraded if a pair can't be read."""
        if self._unreadable:
            raise Degraded(f"not in use: {'; '.join(self._unreadable.values())}")

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

    def _report(self, former: Iterable[Pair]) -> None:
        """Writes into the metrics when each certificate begins and ends.

        Logs those that end soon, now and every day.
        """
        for name in {_name(pair) for pair in former} - {_name(pair) for pair in self._loaded}:
            with suppress(KeyError):  # two services of one process may have the same certificates
                START.remove(name)
                END.remove(name)
        for pair, loaded in self._loaded.items():
            START.labels(_name(pair)).set(loaded.start.timestamp())
            END.labels(_name(pair)).set(loaded.end.timestamp())
        self._warned = -WARN_SECONDS
        self._warn(time.monotonic())

    def _warn(self, now: float) -> None:
        if now - self._warned < WARN_SECONDS:
            return
        self._warned = now
        present = datetime.now(UTC)
        for pair, loaded in self._loaded.items():
            if present > loaded.end - (loaded.end - loaded.start) / WARN_SHARE:
                end = loaded.end.isoformat()
                _log.warning("a certificate ends soon: put a new one in its place", name=_name(pair), end=end)

    def _pairs(self) -> tuple[Pair, ...]:
        if self._listed:
            return self._listed
        files = sorted(self._directory.glob("*.crt"))
        return tuple(Pair(path, path.with_suffix(".key")) for path in files if path.with_suffix(".key").exists())

    def _load(self, pairs: tuple[Pair, ...]) -> None:
        """Raises BrokenSetting where no pair can be read."""
        if not pairs:
            raise BrokenSetting(_VARIABLE, "", f"<name>.crt and <name>.key in {self._directory}")
        former, self._loaded, self._unreadable = self._loaded, {}, {}
        for pair in pairs:
            try:
                self._loaded[pair] = _read(pair)
            except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
                self._unreadable[pair] = f"{pair.certificate} with {pair.key} ({reason(error)})"
                if pair in former:
                    self._loaded[pair] = former[pair]
        if not self._loaded:
            expected = f"a certificate in PEM form, and its key in {pairs[0].key}: {self._unreadable[pairs[0]]}"
            raise BrokenSetting(_VARIABLE, pairs[0].certificate, expected)
        for files in self._unreadable.values():
            _log.error("a certificate can't be used: make both files readable for this user", files=files)
        self._contexts, self._stamp = self._by_name(), _stamped(pairs)
        self._report(former)

    def _by_name(self) -> dict[str, ssl.SSLContext]:
        """For each name its certificate; one that is not self-signed goes before those that are."""
        contexts: dict[str, ssl.SSLContext] = {}
        ranked = sorted(self._loaded.items(), key=lambda item: item[1].self_signed)
        for pair, loaded in ranked:
            for name in (_name(pair), *loaded.names):
                contexts.setdefault(name, loaded.context)
        _, first = ranked[0]
        own = [loaded for _, loaded in ranked if loaded.context is contexts.get(self._default.lower())]
        best = min([*own, first], key=lambda loaded: loaded.self_signed)
        contexts[""] = contexts.get("default", best.context)
        return contexts


def _read(pair: Pair) -> _Loaded:
    """Raises OSError, ValueError."""
    context = _new_context()
    context.load_cert_chain(pair.certificate, pair.key)
    leaf = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    start, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    return _Loaded(context, _names_of(leaf), start, end, self_signed=leaf.issuer == leaf.subject)


def end_of(pair: Pair) -> datetime:
    """When a certificate ends. Raises OSError or ValueError where the pair can't be used."""
    return _read(pair).end


def _name(pair: Pair) -> str:
    return pair.certificate.stem.lower()


def reason(error: OSError | ValueError) -> str:
    """Why a pair can't be used, in a few words."""
    return (isinstance(error, OSError) and not isinstance(error, ssl.SSLError) and error.strerror) or str(error)


def _new_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    return context


def _names_of(leaf: x509.Certificate) -> tuple[str, ...]:
    """The DNS names that the certificate is for."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(name.lower() for name in names.get_values_for_type(x509.DNSName))


def _stamped(pairs: tuple[Pair, ...]) -> _Stamp:
    stats = [(path, path.stat()) for pair in pairs for path in pair]
    return tuple((str(path), stat.st_mtime_ns, stat.st_ino) for path, stat in stats)


def _listed_pair(entry: str) -> Pair:
    certificate, _, key = entry.partition(":")
    if not key:
        raise BrokenSetting(_VARIABLE, entry, "certificate and key file, parted by a colon")
    return Pair(Path(certificate), Path(key))
