"""The model of a deployment: what `docker compose config --format json` prints."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from varco_cli.checks.listeners import Listener
from varco_cli.failures import Misused

CHECKER = "check"  # the service of docker-compose.yml that runs `varco check`


class Published(NamedTuple):
    """A port that a container publishes on this machine."""

    service: str
    listener: Listener


class ComposeModel:
    """Services, secrets and mounts, with every variable in its place."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._mounts = {
            Path(mount["source"]): Path(mount["target"])
            for mount in self.services.get(CHECKER, {}).get("volumes") or ()
            if mount["type"] == "bind"
        }

    @classmethod
    def read(cls, text: bytes) -> "ComposeModel":
        """Raises Misused where the text is none that `docker compose config` printed."""
        try:
            document = msgspec.json.decode(text, type=dict[str, Any])
        except (msgspec.DecodeError, msgspec.ValidationError):
            raise Misused("--compose: expected what `docker compose config --format json` prints") from None
        return cls(document)

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        return dict(self._document.get("services") or {})

    def environments(self) -> dict[str, dict[str, str]]:
        """Returns the variables of each service. Files have their paths in this container."""
        return {
            name: {
                key: self._local(service, value)
                for key, value in (service.get("environment") or {}).items()
                if value is not None
            }
            for name, service in self.services.items()
        }

    def _local(self, service: Mapping[str, Any], value: str) -> str:
        """A path inside the service's container becomes the path of the same file here."""
        for inside, outside in self._files(service):
            if value == inside and (local := self.local(outside)):
                return str(local)
        return value

    def _files(self, service: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
        for secret in service.get("secrets") or ():
            target = secret.get("target") or secret["source"]
            yield str(Path("/run/secrets") / target), self.secrets[secret["source"]]

    @property
    def secrets(self) -> dict[str, Path]:
        """Returns the file of each secret on the host."""
        return {name: Path(secret["file"]) for name, secret in (self._document.get("secrets") or {}).items()}

    def needed_secrets(self) -> dict[str, Path]:
        """Returns the secrets that a service reads."""
        used = {secret["source"] for service in self.services.values() for secret in service.get("secrets") or ()}
        return {name: file for name, file in self.secrets.items() if name in used}

    def local(self, host: Path) -> Path | None:
        """Returns where this container sees a file of the host; None where it doesn't."""
        for source, target in self._mounts.items():
            if host.is_relative_to(source):
                return target / host.relative_to(source)
        return None

    def published(self) -> Iterator[Published]:
        for name, service in self.services.items():
            for port in service.get("ports") or ():
                if str(port.get("published", "")).isdigit():
                    yield Published(name, Listener(port.get("host_ip") or "", int(port["published"])))
