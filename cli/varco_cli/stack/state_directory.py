"""VARCO_HOME: where state, secrets, logs and pid files of the embedded stack are, and how a new one is made."""

import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from varco_cli.stack.certificate import self_signed
from varco_common.base.private_file import write_private
from varco_common.runtime.tokens import Keyring


class AlreadyRunning(Exception):
    """A stack runs in this VARCO_HOME; `pid` is its supervisor's."""

    def __init__(self, home: Path, pid: int) -> None:
        super().__init__(
            f"a stack runs in {home} already (process {pid}): `varco status` shows it, `varco down` ends it"
        )
        self.pid = pid


@dataclass(frozen=True)
class StateDirectory:
    """The paths below VARCO_HOME. What is secret has mode 0600, in directories of mode 0700."""

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
    def certificate(self) -> Path:
        return self.path / "tls" / "localhost.crt"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def state(self) -> Path:
        """What runs where, as `varco status` reads it."""
        return self.path / "stack.json"

    @property
    def targets(self) -> Path:
        """Where Prometheus finds the services (`file_sd_configs`)."""
        return self.path / "prometheus-targets.json"

    @property
    def objects(self) -> Path:
        return self.path / "s3"

    @property
    def trial_made(self) -> Path:
        """There once the account to try with was made: it is made once."""
        return self.path / "demo.made"

    def pid_file(self, process: str) -> Path:
        return self.path / "pids" / f"{process}.pid"

    def note_pid(self, process: str, pid: int) -> None:
        """Writes the pid file, at once: whoever reads it finds a number."""
        unfinished = self.path / "pids" / f".{process}.new"
        unfinished.write_text(f"{pid}\n")
        unfinished.replace(self.pid_file(process))

    def log_file(self, process: str) -> Path:
        return self.logs / f"{process}.log"

    def secret(self, name: str, length: int = 32, make: Callable[[int], str] = token_hex) -> Path:
        """The file of a secret, made of `length` random bytes (as hex digits) where it isn't there yet."""
        path = self.secrets / name
        if not path.exists():
            write_private(path, make(length))
        return path

    def bus_password(self, user: str) -> Path:
        return self.secret(f"nats-{user}.password")

    def prepare(self, address: str, *names: str) -> None:
        """Makes what isn't there yet; what is there stays. `names` stand in the certificate beside this machine's."""
        for path in (self.path, self.secrets, self.path / "tls", self.path / "data", self.path / "pids", self.logs):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.chmod(0o700)
        key = self.secret("token.key").read_bytes().strip()  # as the services read it
        if not self.admin_token.exists():
            write_private(self.admin_token, Keyring(key).mint_admin()[1])
        if not self.certificate.exists():
            certificate, private_key = self_signed(address, *names)
            write_private(self.certificate.with_suffix(".key"), private_key)
            write_private(self.certificate, certificate)

    def lock(self) -> int:
        """A lock that is held as long as the supervisor lives, however it ends. Raises AlreadyRunning."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = int(os.pread(descriptor, 20, 0) or b"0")
            os.close(descriptor)
            raise AlreadyRunning(self.path, pid) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        return descriptor

    def running(self) -> int | None:
        """The process id of the supervisor that holds the lock; None where none does."""
        try:
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(os.pread(descriptor, 20, 0) or b"0")
        finally:
            os.close(descriptor)
        return None
