"""Settings: a broken one ends the start with a line that names it and what is expected."""

import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

from varco_common.base import units
from varco_common.base.settings import (
    BrokenSetting,
    CommaList,
    Duration,
    Internal,
    Size,
    env_prefix,
    is_internal,
    load,
    variables,
)
from varco_common.bus.settings import WithMailDays
from varco_common.runtime.settings import (
    ServiceSettings,
    WithBalancers,
    WithHostname,
    WithTokenKey,
    WithVoters,
)
from varco_common.storage.settings import WithDatabase, WithObjectStore


class Example(ServiceSettings, WithBalancers, WithDatabase, WithMailDays, WithObjectStore, WithVoters, WithTokenKey):
    model_config = env_prefix("VARCO_EXAMPLE_")
    retired = frozenset({"VARCO_EXAMPLE_SWEEP"})

    limit: Size = 20_000_000
    wait: Duration = timedelta(minutes=10)
    names: CommaList = ("policy",)
    inner: Internal[int] = 0


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in variables(Example).values():
        monkeypatch.delenv(name, raising=False)


BROKEN = {
    "VARCO_BIND": ("localhost:25", "an IP address to listen on"),
    "VARCO_LOG_LEVEL": ("loud", "debug, info, warning or error"),
    "VARCO_DRAIN": ("soon", units.DURATION_EXPECTED),
    "VARCO_NATS_URL": ("http://bus", "nats://host:port or tls://host:port, several parted by commas"),
    "VARCO_NATS_PASSWORD_FILE": ("/nowhere", "a readable file (No such file or directory)"),
    "VARCO_S3_ENDPOINT": ("s3", "http://host:port or https://host:port"),
    "VARCO_S3_ACCESS_KEY_FILE": ("/nowhere", "a readable file (No such file or directory)"),
    "VARCO_S3_SECRET_KEY_FILE": ("/", "a readable file (Is a directory)"),
    "VARCO_DATABASE_URL": (
        "mysql://db",
        "sqlite+aiosqlite:///file or postgresql+asyncpg://user:password@host/name",
    ),
    "VARCO_API_PORT": ("70000", "at most 65535"),
    "VARCO_TOKEN_KEY_FILE": ("/nowhere", "a readable file (No such file or directory)"),
    "VARCO_BALANCERS": ("lb.example", "addresses or networks (192.0.2.0/28), parted by commas"),
    "VARCO_INGRESS_VOTERS": (
        "policy,policy",
        "the names of voters, each once, parted by commas; at least one: no answer is never a yes",
    ),
    "VARCO_NATS_MAIL_DAYS": ("5", "more than 5"),
    "VARCO_EXAMPLE_LIMIT": ("20 potatoes", units.SIZE_EXPECTED),
    "VARCO_EXAMPLE_WAIT": ("-5m", units.DURATION_EXPECTED),
    "VARCO_EXAMPLE_LIMTI": ("5MB", "VARCO_EXAMPLE_LIMIT"),
}


@pytest.mark.parametrize("variable", BROKEN)
def test_a_broken_setting_is_named_with_its_value_and_what_is_expected(variable, monkeypatch):
    value, expected = BROKEN[variable]
    monkeypatch.setenv(variable, value)
    with pytest.raises(BrokenSetting) as broken:
        load(Example)
    assert str(broken.value) == f"{variable}={value}: expected {expected}"


def test_a_password_in_a_broken_database_url_is_not_shown(monkeypatch):
    monkeypatch.setenv("VARCO_DATABASE_URL", "postgres://varco:hunter2@db/varco")
    with pytest.raises(BrokenSetting) as broken:
        load(Example)
    assert "hunter2" not in str(broken.value)


def test_a_databases_password_comes_from_a_file(tmp_path, monkeypatch):
    (tmp_path / "password").write_text("it's@home/:?\n")
    monkeypatch.setenv("VARCO_DATABASE_URL", "postgresql+asyncpg://policy@db/varco")
    monkeypatch.setenv("VARCO_DATABASE_PASSWORD_FILE", str(tmp_path / "password"))
    url = make_url(load(Example).database_of("policy"))
    assert (url.username, url.password, url.host, url.database) == ("policy", "it's@home/:?", "db", "varco")


def test_a_databases_password_without_a_user_is_broken(tmp_path, monkeypatch):
    (tmp_path / "password").write_text("secret")
    monkeypatch.setenv("VARCO_DATABASE_URL", "sqlite+aiosqlite:///some.sqlite")
    monkeypatch.setenv("VARCO_DATABASE_PASSWORD_FILE", str(tmp_path / "password"))
    with pytest.raises(BrokenSetting, match=r"VARCO_DATABASE_URL=.*: expected a user"):
        load(Example).database_of("policy")


def test_a_secret_file_that_is_empty_is_broken(tmp_path, monkeypatch):
    (tmp_path / "empty").touch()
    monkeypatch.setenv("VARCO_NATS_PASSWORD_FILE", str(tmp_path / "empty"))
    with pytest.raises(BrokenSetting, match="it is empty"):
        load(Example)


def test_a_short_token_key_is_broken(tmp_path):
    (tmp_path / "key").write_text("short")
    with pytest.raises(BrokenSetting, match="32 bytes or more"):
        _ = WithTokenKey(token_key_file=tmp_path / "key").token_signer


@pytest.mark.parametrize("text", ["", "k" * 64])
def test_what_is_no_public_key_is_broken(tmp_path, text):
    (tmp_path / "key").write_text(text)
    with pytest.raises(BrokenSetting, match=r"VARCO_TOKEN_PUBLIC_KEY_FILE=.*key: expected .*public key in PEM"):
        _ = ServiceSettings(token_public_key_file=tmp_path / "key").token_public_key


def test_every_setting_is_explained_where_it_is_declared():
    assert all(
        field.description
        for kind in (ServiceSettings, WithBalancers, WithDatabase, WithMailDays, WithObjectStore, WithVoters)
        for field in kind.model_fields.values()
    )


def test_settings_are_read_from_the_environment(monkeypatch):
    for name, value in {"LIMIT": "5 MiB", "WAIT": "2 days", "NAMES": "policy, ratelimit,"}.items():
        monkeypatch.setenv(f"VARCO_EXAMPLE_{name}", value)
    monkeypatch.setenv("VARCO_HOME", "/srv/varco")
    settings = load(Example)
    assert (settings.limit, settings.wait, settings.names) == (5 << 20, timedelta(days=2), ("policy", "ratelimit"))
    assert settings.database_of("policy") == "sqlite+aiosqlite:////srv/varco/data/policy.sqlite"


def test_a_setting_is_read_from_its_own_variable_alone(monkeypatch):
    for name in ("HOME", "BIND", "DRAIN", "LOG_LEVEL", "API_PORT", "DATABASE_URL", "NATS_URL", "S3_ENDPOINT"):
        monkeypatch.setenv(name, "somebody else's")
    monkeypatch.delenv("VARCO_HOME", raising=False)
    settings = load(Example)
    assert settings.home == Path("var")
    assert settings.database_url == ""


def test_what_a_test_says_outranks_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("VARCO_HOME", "/srv/varco")
    assert Example(home=tmp_path).home == tmp_path


def test_the_process_ends_with_code_2_and_one_line(tmp_path):
    program = (
        "from varco_common.runtime.service import Service, run\n"
        "from varco_common.runtime.settings import ServiceSettings, WithTokenKey\n"
        "async def serve(settings): raise SystemExit('it started')\n"
        "run(Service(name='x', role=('worker',), settings=ServiceSettings, serve=serve))\n"
    )
    environment = {"VARCO_BIND": "everywhere", "PATH": ""}
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "VARCO_BIND=everywhere: expected an IP address to listen on\n"


@pytest.mark.parametrize(
    ("text", "size"),
    [("20MB", 20_000_000), ("1 MiB", 1 << 20), ("0", 0), ("1.5 kB", 1500), ("256k", 256_000), ("7 bytes", 7)],
)
def test_sizes_are_read_as_people_write_them(text, size):
    assert units.parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10m", 600), ("7 days", 604_800), ("1 day", 86_400), ("90", 90), ("12 months", 31_536_000), ("250ms", 0.25)],
)
def test_durations_are_read_as_people_write_them(text, seconds):
    assert units.parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "MB", "-1", "1 2", "1e9", "ten", "1MB x", "٣"])
def test_nothing_else_is_a_size_or_a_duration(text):
    for parse in (units.parse_size, units.parse_duration):
        with pytest.raises(ValueError, match="such as"):
            parse(text)


@given(st.text())
def test_any_text_is_read_or_refused_with_what_is_expected(text):
    for parse, expected in ((units.parse_size, units.SIZE_EXPECTED), (units.parse_duration, units.DURATION_EXPECTED)):
        try:
            parse(text)
        except ValueError as error:
            assert str(error) == expected  # noqa: PT017  # most texts are refused, some are read


@given(st.integers(0, 10**15))
def test_a_size_is_read_back_from_how_it_is_shown(size):
    assert units.parse_size(units.format_size(size)) == size


@given(st.integers(0, 10**9))
def test_a_duration_is_read_back_from_how_it_is_shown(seconds):
    duration = timedelta(seconds=seconds)
    assert units.parse_duration(units.format_duration(duration)) == duration


def test_paths_are_paths():
    assert Example().home == Path("var")


def test_a_retired_variable_is_named_in_a_warning_and_ignored(monkeypatch, capsys):
    monkeypatch.setenv("VARCO_EXAMPLE_SWEEP", "1 minute")
    load(Example)
    assert capsys.readouterr().err == "VARCO_EXAMPLE_SWEEP is no longer a setting and is ignored: remove it\n"


def test_balancers_that_an_earlier_version_named_count_at_their_own_ports(monkeypatch):
    for name, value in {"VARCO": "192.0.2.1", "VARCO_INGRESS": "192.0.2.2", "VARCO_ARCHIVE": "192.0.2.3"}.items():
        monkeypatch.setenv(f"{name}_BALANCERS", value)
    settings = load(WithBalancers)
    assert [*map(str, settings.smtp_balancer_networks)] == ["192.0.2.1/32", "192.0.2.2/32"]
    assert [*map(str, settings.pop3_balancer_networks)] == ["192.0.2.1/32", "192.0.2.3/32"]
    assert {str(network)[8] for network in settings.never_banned} == {"1", "2", "3"}


def test_a_bus_on_another_machine_needs_an_s3_server_for_the_objects(monkeypatch, tmp_path):
    monkeypatch.setenv("VARCO_HOME", str(tmp_path))
    assert load(WithObjectStore).object_store.directory == tmp_path / "objects"
    monkeypatch.setenv("VARCO_NATS_URL", "nats://127.0.0.1:4222,nats://bus.example:4222")
    with pytest.raises(BrokenSetting, match="VARCO_S3_ENDPOINT=: expected an S3 server, because VARCO_NATS_URL"):
        _ = load(WithObjectStore).object_store
    monkeypatch.setenv("VARCO_S3_ENDPOINT", "http://objects.example:9000")
    assert load(WithObjectStore).object_store.endpoint == "http://objects.example:9000"


def test_an_internal_setting_is_told_from_an_operators_one():
    fields = Example.model_fields
    assert is_internal(fields["inner"])
    assert is_internal(fields["s3_sync_directory"])
    assert not is_internal(fields["limit"])


class _Named(WithHostname):
    model_config = env_prefix("VARCO_NAMED_")
    renamed: ClassVar[Mapping[str, str]] = {"hostname": "VARCO_NAMED_HOSTNAME"}


def test_the_variable_of_an_earlier_version_still_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VARCO_NAMED_HOSTNAME", "old.acme.example")
    assert load(_Named).hostname == "old.acme.example"
    monkeypatch.setenv("VARCO_HOSTNAME", "smtp.acme.example")
    assert load(_Named).hostname == "smtp.acme.example"


@pytest.mark.parametrize(
    ("name", "public"),
    [
        ("smtp.acme.example", True),
        ("vm", False),
        ("localhost", False),
        ("mx.acme.lan", False),
        ("printer.local", False),
    ],
)
def test_a_name_that_no_other_server_can_know(name: str, public: bool) -> None:
    assert _Named(hostname=name).has_public_name is public
