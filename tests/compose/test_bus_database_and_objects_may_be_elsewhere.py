"""compose.external.yml: a gate whose PostgreSQL, S3 server and NATS run outside its project."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path

from tests.compose.conftest import ACME, ALICE, PASSWORD
from tests.compose.deployment import Deployment
from tests.integration.gate import mail, transact, wait_for

FILES = ("docker-compose.yml", "compose.external.yml")
HERE = ("nats", "postgres", "minio")


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout.strip()


class Outside:
    """Three servers with ports at the host's address on Docker's own bridge."""

    def __init__(self, gate: Deployment) -> None:
        self._gate, self._ids = gate, dict[str, str]()
        subnet = docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Subnet}}")
        self._host = ip_network(subnet)[1]  # Docker gives the host the first address

    def run(self, name: str, port: int, *arguments: str) -> str:
        """Starts a server, and returns `host:port` as a container reaches it."""
        self._ids[name] = docker("run", "--detach", "--publish", f"{self._host}::{port}", *arguments)
        return docker("port", self._ids[name], str(port)).splitlines()[0]

    def secret(self, name: str) -> str:
        return (self._gate.home / "secrets" / name).read_text().strip()

    def start(self) -> dict[str, str]:
        """Returns the variables of .env."""
        password = f"POSTGRES_PASSWORD={self.secret('postgres.password')}"
        keys = [f"MINIO_ROOT_USER={self.secret('s3.access')}", f"MINIO_ROOT_PASSWORD={self.secret('s3.secret')}"]
        given = [word for key in keys for word in ("--env", key)]
        config = f"{self._gate.home / 'bus'}:/etc/varco:ro"
        nats = ("--tmpfs", "/data", "--volume", config, "nats:2.15-alpine", "nats-server", "--config")
        database = self.run("postgres", 5432, "--env", password, "--env", "POSTGRES_DB=varco", "postgres:17-alpine")
        silo = "pgsty/silo:RELEASE.2026-08-06T00-00-00Z"
        return {
            "VARCO_DATABASE_SERVER": f"{database}/varco",
            "VARCO_NATS_URL": f"nats://{self.run('nats', 4222, *nats, '/etc/varco/nats.conf')}",
            "VARCO_NATS_MAIL_MAX_BYTES": "1GB",
            "VARCO_S3_ENDPOINT": f"http://{self.run('minio', 9000, *given, silo, 'server', '/data')}",
        }

    @contextmanager
    def running(self) -> Iterator[dict[str, str]]:
        try:
            yield self.start()
        finally:
            docker("rm", "--force", "--volumes", *self._ids.values())


def test_bus_database_and_objects_may_be_elsewhere(tmp_path: Path) -> None:
    gate = Deployment(tmp_path, files=FILES)
    with Outside(gate).running() as variables:
        gate.env_file.write_text(
            gate.env_file.read_text() + "".join(f"{name}={value}\n" for name, value in variables.items())
        )
        with gate.running("demo"):
            assert [service for service in HERE if gate.containers(service)] == []
            gate.apply(ACME.replace("LINKS", str(gate.ports.links)))
            with gate.smtp(ALICE, PASSWORD) as client:
                for word, size in (("small", 10), ("large", 3_000_000)):
                    body = mail(ALICE, f"{word}\r\n" + "x" * 70 + ("\r\n" + "x" * 70) * (size // 72) + "\r\n")
                    assert transact(client, ALICE, [f"{word}@dest.test"], body)[0] == 250
            for word in ("small", "large"):
                wait_for(lambda word=word: gate.caught(f"{word}@dest.test"), 60)
            assert "password" not in gate.script("check.sh")
            folder = Path(gate.script("backup.sh").strip())
            assert {file.name for file in folder.iterdir()} == {"audit.tar", "gate.tar", "secrets.tar"}
            gate.script("upgrade.sh")
