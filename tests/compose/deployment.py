"""The gate as docker compose runs it: a project of its own, on free ports, from the real files."""

import contextlib
import functools
import json
import os
import smtplib
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

from tests.integration.gate import trusting, wait_for
from varco_cli.stack.settings import Ports

ROOT = Path(__file__).parents[2]
VARCO = str(Path(sys.executable).with_name("varco"))
SECONDS = 600.0


def engine_missing() -> str:
    """Says why nothing can run here; empty where a Docker Engine with Compose v2 answers."""
    for command in (["docker", "info"], ["docker", "compose", "version"]):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        except OSError as error:
            return f"{command[0]}: {error.strerror}"
        if done.returncode:
            return f"{' '.join(command)}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}"
    return ""


@functools.cache
def image_missing(image: str) -> str:
    """Says why the image is not available; empty where it is on this machine now."""
    for command in (["docker", "image", "inspect", image], ["docker", "pull", "--quiet", image]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if not done.returncode:
            return ""
    return (done.stderr.strip().splitlines() or ["failed"])[-1]


@functools.cache
def environment() -> dict[str, str]:
    """Returns this process's environment without Varco's variables.

    Without buildx, it chooses the classic builder.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VARCO_", "COMPOSE_"))}
    buildx = subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False)
    return kept | ({"DOCKER_BUILDKIT": "0"} if buildx.returncode else {})


def later(code: int) -> int:
    """Returns 0 where the client must try again later.

    Hashing is slow on a machine that builds images.
    """
    return 0 if code == 454 else code


def documents(line: str) -> Iterator[dict[str, Any]]:
    """Reads the JSON documents of a line. Docker's driver `local` puts no end after a long one."""
    while line:
        document, end = json.JSONDecoder().raw_decode(line)
        yield document
        line = line[end:]


class Deployment:
    """One project. `variables` go into its .env; `files` are the compose files."""

    def __init__(
        self,
        folder: Path,
        *,
        files: tuple[str, ...] = ("docker-compose.yml",),
        address: str = "127.0.0.1",
        ports: Ports | None = None,
        **variables: str,
    ) -> None:
        self.project = f"varco-test-{token_hex(4)}"
        self.home = folder / "var"
        self.address = address
        self.ports = ports or Ports.free()
        self.files = files
        self.env_file = folder / ".env"
        self.settings_file = folder / "varco.env"
        lines = {
            "VARCO_HOME": str(self.home),
            "VARCO_PUBLISH": address,
            "VARCO_SETTINGS": str(self.settings_file),
            "VARCO_EXPORTS": str(folder / "exports"),
            "VARCO_BACKUPS": str(folder / "backups"),
            "VARCO_VERSION": f"test-{ROOT.stat().st_ino}",  # a work tree's own images
            **self.ports.environment,
            **variables,
        }
        self.env_file.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        made = environment() | {"VARCO_HOME": str(self.home)}
        subprocess.run([VARCO, "init", "--env-file", str(self.env_file)], env=made, check=True, capture_output=True)

    @contextlib.contextmanager
    def running(self, *profiles: str) -> Iterator["Deployment"]:
        """Builds and starts the project, and always removes it again, with its volumes.

        Skips the test where an image is not available.
        """
        chosen = [word for profile in profiles for word in ("--profile", profile)]
        images = self.compose(*chosen, "config", "--images").split()
        for image in ("python:3.13-slim", *(one for one in images if not one.startswith("varco/"))):
            if why := image_missing(image):
                pytest.skip(f"image {image} can't be had: {why}")
        try:
            self.compose(
                "build", "--quiet", "prepare"
            )  # first: the classic builder makes shared stages once for each image else
            self.compose(*chosen, "build", "--quiet")
            self.compose(*chosen, "up", "--detach", "--wait", "--wait-timeout", "300")
            yield self
        finally:
            self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "10")

    def compose(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Runs `docker compose ...`, and returns what it printed.

        Raises AssertionError with its errors.
        """
        files = [word for file in self.files for word in ("--file", str(ROOT / file))]
        command = ["docker", "compose", "--project-directory", str(ROOT), *files]
        command += ["--env-file", str(self.env_file), "--project-name", self.project, *arguments]
        given = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            env=environment(),
            **given,  # type: ignore[call-overload]
        )
        assert not check or done.returncode == 0, f"{' '.join(arguments)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return str(done.stdout)

    def script(self, name: str, *arguments: str) -> str:
        """Runs a script of docker/ for this project, as `make` does. Returns what it printed."""
        variables = {
            "COMPOSE_FILE": ":".join(self.files),
            "COMPOSE_ENV_FILES": str(self.env_file),
            "COMPOSE_PROJECT_NAME": self.project,
        }
        done = subprocess.run(
            [str(ROOT / "docker" / name), *arguments],
            env=environment() | variables,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{name}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def varco(self, *arguments: str, stdin: str | None = None) -> str:
        """Runs `varco` as an operator types it here."""
        return self.compose("run", "--rm", "--no-TTY", "varco", *arguments, stdin=stdin)

    def json(self, *arguments: str) -> Any:
        return json.loads(self.varco(*arguments, "--json"))

    def apply(self, document: str) -> None:
        self.varco("apply", "--yes", "--prune", "-f", "-", stdin=document)

    def logs(self, service: str) -> list[str]:
        """Returns the lines of all its containers, one after another."""
        return [line for lines in self.logs_of_each(service) for line in lines]

    def logs_of_each(self, service: str) -> list[list[str]]:
        ids = [container["Id"] for container in self.containers(service)]
        told = (subprocess.run(["docker", "logs", one], capture_output=True, text=True, check=True) for one in ids)
        return [(done.stdout + done.stderr).splitlines() for done in told]

    def caught(self, recipient: str) -> list[dict[str, Any]]:
        """Returns the mails for this recipient that reached the next hop (profile `demo`)."""
        return [mail for mail in self.all_caught() if recipient in mail["recipients"]]

    def all_caught(self) -> list[dict[str, Any]]:
        """Returns every mail that reached the next hop."""
        return [mail for line in self.logs("catcher") if line.startswith("{") for mail in documents(line)]

    def containers(self, service: str = "") -> list[dict[str, Any]]:
        """Returns `docker inspect` of each container, including ended ones."""
        labels = [f"label=com.docker.compose.project={self.project}"]
        labels += [f"label=com.docker.compose.service={service}"] if service else []
        filters = [word for label in labels for word in ("--filter", label)]
        found = subprocess.run(
            ["docker", "ps", "--all", "--quiet", *filters], capture_output=True, text=True, check=True
        )
        if not found.stdout.split():
            return []
        told = subprocess.run(["docker", "inspect", *found.stdout.split()], capture_output=True, check=True)
        return list(json.loads(told.stdout))

    def address(self, service: str, network: str = "inner") -> str:
        """Returns the address of its first container on a network of the project."""
        networks = self.containers(service)[0]["NetworkSettings"]["Networks"]
        return str(networks[f"{self.project}_{network}"]["IPAddress"])

    @contextlib.contextmanager
    def smtp(self, login: str = "", password: str = "") -> Iterator[smtplib.SMTP]:
        """Returns a client of the submission port inside TLS, logged in where a login is given."""
        client = smtplib.SMTP(self.address, self.ports.submission, timeout=60)
        try:
            client.ehlo("client.test")
            client.starttls(context=trusting())
            client.ehlo("client.test")
            if login:
                credentials = b64encode(f"\0{login}\0{password}".encode()).decode()
                code = wait_for(lambda: later(client.docmd("AUTH", f"PLAIN {credentials}")[0]), 60)
                assert code == 235
            yield client
        finally:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                client.quit()
            client.close()
