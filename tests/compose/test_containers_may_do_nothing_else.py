"""Containers have no root, no capabilities, and nothing writable except volumes.

Secrets are files, and are in no container's environment.
"""

from tests.compose.deployment import Deployment

IMAGES_OF_OTHERS = {"postgres"}  # begins as root and becomes another user, as its image wants it
ONCE = {"volumes", "prepare"}


def test_no_container_is_root_or_may_write(gate: Deployment) -> None:
    found = {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in gate.containers()}

    for service, container in found.items():
        host = container["HostConfig"]
        assert host["ReadonlyRootfs"], service
        assert host["CapDrop"] == ["ALL"], service
        assert not host["Privileged"], service
        if service not in IMAGES_OF_OTHERS | ONCE:
            assert container["Config"]["User"].split(":")[0] not in ("", "0", "root"), service


def test_capabilities_are_the_firewalls_alone(gate: Deployment) -> None:
    added = {
        one["Config"]["Labels"]["com.docker.compose.service"]: one["HostConfig"]["CapAdd"] or []
        for one in gate.containers()
    }

    given = {service: [name.removeprefix("CAP_") for name in names] for service, names in added.items() if names}
    assert given.pop("firewall") == ["NET_ADMIN"]
    assert given.pop("volumes") == ["CHOWN"]
    assert set(given) == {"postgres"}


def test_no_secret_stands_in_an_environment(gate: Deployment) -> None:
    secrets = [file.read_text().strip() for file in (gate.home / "secrets").iterdir()]

    environments = "\n".join(line for one in gate.containers() for line in one["Config"]["Env"])

    assert len(secrets) > 10
    assert [secret for secret in secrets if secret in environments] == []


def test_logs_are_rotated_and_memory_is_bounded(gate: Deployment) -> None:
    for container in gate.containers():
        name = container["Name"]
        assert container["HostConfig"]["LogConfig"]["Type"] == "local", name  # it rotates by itself
        if container["Config"]["Labels"]["com.docker.compose.service"] != "volumes":
            assert container["HostConfig"]["Memory"] > 0, name
