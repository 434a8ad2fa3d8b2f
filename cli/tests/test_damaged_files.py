"""A file of VARCO_HOME that a power cut damaged is replaced, or named with what to do."""

import hashlib
import hmac
import json
from pathlib import Path

import pytest

from varco_cli import api_client
from varco_cli.deployment import files
from varco_cli.stack import StateDirectory
from varco_cli.stack.installed import ServiceDescription
from varco_cli.stack.port_assignment import assign_api_ports
from varco_cli.stack.process import end_stale
from varco_common.base.durable_file import DamagedFile
from varco_common.runtime.token_signer import TokenSigner
from varco_common.runtime.tokens import Keyring

DAMAGE = pytest.mark.parametrize("damage", [b"", b"\0" * 40, b"\n"])


@pytest.fixture
def home(tmp_path: Path) -> StateDirectory:
    home = StateDirectory(tmp_path / "var")
    assert home.prepare("127.0.0.1") == []
    return home


def service(name: str) -> ServiceDescription:
    return ServiceDescription(name=name, role=(), publishes=(), subscribes=(), ports=(), tables=True)


def test_what_is_whole_stays(home: StateDirectory):
    before = {path: path.read_bytes() for path in home.path.rglob("*") if path.is_file()}
    assert home.prepare("127.0.0.1") == []
    assert {path: path.read_bytes() for path in home.path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("damage", [b"", b"\0" * 40, b"varco_admin_cut"])
def test_an_admin_token_is_made_again(home: StateDirectory, damage: bytes):
    home.admin_token.write_bytes(damage)
    assert home.prepare("127.0.0.1") == ["admin.token"]
    assert opens(home, home.admin_token.read_text().strip())


def opens(home: StateDirectory, token: str) -> bool:
    """Whether the services accept the token."""
    return Keyring(home.token_public_key.read_bytes()).is_signed(token)


@pytest.mark.parametrize("damage", [b"", b"\0" * 40, b"-----BEGIN PUBLIC KEY-----"])
def test_the_public_key_is_made_again_of_the_secret(home: StateDirectory, damage: bytes):
    home.token_public_key.write_bytes(damage)
    assert home.prepare("127.0.0.1") == []
    assert opens(home, home.admin_token.read_text().strip())


def test_the_admin_token_of_an_earlier_version_is_signed_anew_under_its_id(home: StateDirectory):
    secret = home.token_key.read_bytes().strip()
    content = f"varco_admin_{'0' * 20}"
    earlier = f"{content}_{hmac.new(secret, content.encode(), hashlib.sha256).hexdigest()}"
    home.admin_token.write_text(f"{earlier}\n")
    assert home.prepare("127.0.0.1") == []
    assert home.admin_token.read_text().startswith(content)
    assert opens(home, home.admin_token.read_text().strip())
    assert TokenSigner(secret).verify_earlier(earlier).is_admin


@pytest.mark.parametrize("suffix", [".crt", ".key"])
@pytest.mark.parametrize("kept", [0, 100])
def test_a_certificate_is_made_again_and_what_was_there_is_kept(home: StateDirectory, suffix: str, kept: int):
    file = home.certificate.with_suffix(suffix)
    file.write_bytes(cut := file.read_bytes()[:kept])
    assert home.prepare("127.0.0.1") == ["tls/localhost.crt"]
    assert home.prepare("127.0.0.1") == []
    damaged = file.with_name(f"{file.name}.damaged")
    assert damaged.exists() == bool(cut)
    assert not cut or damaged.read_bytes() == cut


@DAMAGE
def test_a_password_of_the_bus_is_made_again(home: StateDirectory, damage: bytes):
    """Everybody who needs the password reads this file at the start, so it may change."""
    path = home.bus_password("relay")
    path.write_bytes(damage)
    assert len(home.bus_password("relay").read_text().strip()) == 64


@pytest.mark.parametrize("damage", [b"", b"\0" * 40, b"0123456789abcdef"])
def test_a_damaged_token_key_is_named_with_what_to_do(home: StateDirectory, damage: bytes):
    home.token_key.write_bytes(damage)
    with pytest.raises(DamagedFile, match=r"secrets/token\.key is damaged .*backup.* delete it"):
        home.prepare("127.0.0.1")
    assert home.token_key.read_bytes() == damage


def test_after_the_token_key_was_deleted_the_start_makes_key_and_admin_token(home: StateDirectory):
    home.token_key.unlink()
    assert home.prepare("127.0.0.1") == ["admin.token"]
    assert home.prepare("127.0.0.1") == []


@pytest.mark.parametrize("name", ["relay.key", "postgres.password", "db-relay.password", "grafana.password"])
def test_what_others_know_a_deployment_does_not_make_again(tmp_path: Path, name: str):
    home = StateDirectory(tmp_path / "var")
    arguments = (home, tmp_path / ".env", [service("relay")], "")
    files.make(*arguments)
    (home.secrets / name).write_bytes(b"")
    with pytest.raises(DamagedFile, match=f"secrets/{name} is damaged"):
        files.make(*arguments)


@pytest.mark.parametrize("damage", [b"", b"\0" * 20, b'{"relay":1'])
def test_places_are_given_out_anew(home: StateDirectory, damage: bytes):
    places = home.path / "places.json"
    places.write_bytes(damage)
    assert assign_api_ports(home, 8100, [service("relay")]) == {"relay": 8100}
    assert json.loads(places.read_bytes()) == {"relay": 0}


@pytest.mark.parametrize("damage", [b"", b"\0" * 20, b'{"apis":'])
def test_a_damaged_state_file_means_that_nothing_runs(
    home: StateDirectory, damage: bytes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("VARCO_HOME", str(home.path))
    home.state.write_bytes(damage)
    assert api_client.state() is None


@pytest.mark.parametrize("damage", [b"", b"\0" * 4, b"\xff"])
def test_a_damaged_pid_file_is_removed(home: StateDirectory, damage: bytes):
    home.pid_file("relay").write_bytes(damage)
    assert end_stale(home) == []
    assert not home.pid_file("relay").exists()


def test_a_lock_file_of_zeros_is_no_reason_not_to_start(home: StateDirectory):
    (home.path / "lock").write_bytes(b"\0" * 5)
    assert home.running() is None
