"""VARCO_HOME: the directory of the state, secrets, logs and pid files of the embedded stack."""

import contextlib
import fcntl
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from varco_common.base.durable_file import DamagedFile, is_blank, make_directory, write_durable

if TYPE_CHECKING:
    from varco_common.runtime.token_signer import TokenSigner

_RESTORE = "restore it from a backup that was made --with-secrets, or"
_REMEDIES = {
    "token.key": f"{_RESTORE} delete it: the next start makes another key and another admin token, "
    "and every account needs a new token",
    "relay.key": f"{_RESTORE} delete it, and set the routes that have a password again after the start: "
    "no other key decrypts their passwords; then `varco domains rotate` for each domain that signs",
    "grafana.password": "write the password that Grafana has into it",
    "postgres.password": "write the password of PostgreSQL's superuser into it",
}
_DATABASE_REMEDY = "write a password into it, and give the service's user of PostgreSQL the same one (ALTER ROLE)"


class AlreadyRunning(Exception):
    """A stack runs in this VARCO_HOME already. `pid` is that of its supervisor."""

    def __init__(self, home: Path, pid: int) -> None:
        super().__init__(
            f"a stack runs in {home} already (process {pid}): `varco status` shows it, `varco down` ends it"
        )
        self.pid = pid


@dataclass(frozen=True)
class StateDirectory:
    """The paths below VARCO_HOME. Secrets have mode 0600, their directories 0700."""

    path: Path

    @property
    def secrets(self) -> Path:
        return self.path / "secrets"

    @property
    def admin_token(self) -> Path:
        return self.path / "admin.token"

    @property
    def token_key(self) -> Path:
        return self.secrets / "token.key"

    @property
    def token_public_key(self) -> Path:
        return self.secrets / "token.public"

    @property
    def certificate(self) -> Path:
        return self.path / "tls" / "localhost.crt"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def state(self) -> Path:
        """The file that says what runs where, for `varco status`."""
        return self.path / "stack.json"

    @property
    def targets(self) -> Path:
        """The file in which Prometheus finds the services (`file_sd_configs`)."""
        return self.path / "prometheus-targets.json"

    @property
    def objects(self) -> Path:
        return self.path / "objects"

    @property
    def seaweed(self) -> Path:
        """The directory of SeaweedFS, in which versions before December 2026 stored objects."""
        return self.path / "s3"

    @property
    def seaweed_moved(self) -> Path:
        """The same when everything was copied out of it, until it is removed."""
        return self.path / "s3.moved"

    @property
    def trial_made(self) -> Path:
        """A file that exists once the trial account was opened, which happens only once."""
        return self.path / "demo.made"

    def pid_file(self, process: str) -> Path:
        return self.path / "pids" / f"{process}.pid"

    def note_pid(self, process: str, pid: int) -> None:
        """Writes the pid file atomically, so that a reader always finds a number."""
        write_durable(self.pid_file(process), f"{pid}\n", 0o644)

    def log_file(self, process: str) -> Path:
        return self.logs / f"{process}.log"

    def secret(self, name: str, length: int = 32, make: Callable[[int], str] = token_hex) -> Path:
        """Returns the file of a secret. Creates it, of `length` random bytes in hex, if missing.

        Replaces a damaged secret if all its users read this file. Raises DamagedFile for others.
        """
        path = self.secrets / name
        if path.exists() and is_blank(path.read_bytes()):
            if remedy := _remedy(name):
                raise DamagedFile(path, remedy)
            _warn("a secret was damaged (empty): made again", path)
            path.unlink()
        if not path.exists():
            write_durable(path, f"{make(length)}\n")
        return path

    def bus_password(self, user: str) -> Path:
        return self.secret(f"nats-{user}.password")

    def prepare(self, address: str, *names: str) -> list[str]:
        """Creates what is missing, and changes nothing that exists and is whole.

        The certificate is for `names` and the names of this machine. Returns the names of the
        damaged files that were replaced. Raises DamagedFile.
        """
        for path in (self.path, self.secrets, self.path / "tls", self.path / "data", self.path / "pids", self.logs):
            make_directory(path)
            path.chmod(0o700)
        from varco_common.runtime.token_signer import KEY_BYTES, TokenSigner  # noqa: PLC0415 - as _warn

        key = self.secret("token.key").read_bytes().strip()  # as policy reads it
        if len(key) < KEY_BYTES:
            raise DamagedFile(self.token_key, _REMEDIES["token.key"])
        signer = TokenSigner(key)
        if not self.token_public_key.exists() or self.token_public_key.read_bytes() != signer.public_key:
            write_durable(self.token_public_key, signer.public_key.decode())
        damaged = [*self._make_admin_token(signer), *self._make_certificate(address, *names)]
        for name in damaged:
            _warn("a file was damaged: made again", self.path / name)
        return damaged

    def _make_admin_token(self, signer: "TokenSigner") -> list[str]:
        """Creates the admin token, or replaces one that is not of this key.

        Returns its name if there was one. A token of an earlier version is signed anew under its
        id, and its old text stays valid.
        """
        from varco_common.runtime.tokens import InvalidToken, Keyring  # noqa: PLC0415 - as _warn

        exists = self.admin_token.exists()
        text = self.admin_token.read_text(errors="replace").strip() if exists else ""
        if Keyring(signer.public_key).is_signed(text):
            return []
        with contextlib.suppress(InvalidToken):
            write_durable(self.admin_token, f"{signer.renewed(text)}\n")
            return []
        write_durable(self.admin_token, f"{signer.mint_admin()[1]}\n")
        return [self.admin_token.name] if exists else []

    def _make_certificate(self, address: str, *names: str) -> list[str]:
        """Creates the certificate. Renames one that can't be loaded to `*.damaged`.

        Returns its name if there was one.
        """
        files = (self.certificate, self.certificate.with_suffix(".key"))
        exists = files[0].exists()
        if exists:
            with contextlib.suppress(OSError):  # ssl.SSLError is one
                ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(*files)
                return []
        for file in files:
            if file.exists() and not is_blank(file.read_bytes()):
                file.replace(file.with_name(f"{file.name}.damaged"))
        from varco_cli.stack.certificate import self_signed  # noqa: PLC0415 - slow, and seldom needed

        certificate, private_key = self_signed(address, *names)
        write_durable(files[1], f"{private_key}\n")
        write_durable(files[0], f"{certificate}\n")
        return [f"tls/{files[0].name}"] if exists else []

    def lock(self) -> int:
        """Locks the directory until the supervisor ends, and returns the open file.

        Raises AlreadyRunning.
        """
        make_directory(self.path)
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = int(os.pread(descriptor, 20, 0).strip(b"\0 \n") or b"0")
            os.close(descriptor)
            raise AlreadyRunning(self.path, pid) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        return descriptor

    def release(self, lock: int) -> None:
        """Removes what says that a stack runs here, and unlocks the directory."""
        self.state.unlink(missing_ok=True)
        self.pid_file("varco").unlink(missing_ok=True)
        os.close(lock)

    def running(self) -> int | None:
        """Returns the process id of the supervisor that runs here; None without one."""
        try:
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(os.pread(descriptor, 20, 0).strip(b"\0 \n") or b"0")
        finally:
            os.close(descriptor)
        return None


def _remedy(name: str) -> str:
    """Says what to do about a damaged secret; empty if it can be replaced."""
    return _DATABASE_REMEDY if name.startswith("db-") else _REMEDIES.get(name, "")


def _warn(text: str, file: Path) -> None:
    from varco_common.base import log  # noqa: PLC0415 - slow, and seldom needed

    log.get(__name__).warning(text, file=str(file))
