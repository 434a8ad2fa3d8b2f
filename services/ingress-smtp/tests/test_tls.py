"""TLS: STARTTLS without a way around it, certificates by name, renewed without a restart."""

import os
import socket
import ssl
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from prometheus_client import REGISTRY

from varco_common.base.errors import Degraded
from varco_common.base.settings import BrokenSetting
from varco_common.runtime import tls
from varco_common.runtime.tls import Certificates
from varco_common.testing.certificates import self_signed
from varco_ingress_smtp.smtp import limits


async def test_what_was_said_in_the_clear_after_starttls_ends_the_session(world):
    async with world.connect() as client:
        await client.hello()
        client.send(b"STARTTLS\r\nMAIL FROM:<alice@acme.example>\r\n")
        assert await client.reply() == ""


async def test_nothing_said_before_tls_holds_inside(world):
    async with world.connect() as client:
        await client.hello()
        await client.say("MAIL FROM:<alice@acme.example>")
        await client.start_tls(world.trust)
        assert (await client.say("RCPT TO:<bob@remote.example>")).startswith("503 5.5.1 ")
        assert (await client.say("MAIL FROM:<alice@acme.example>")).startswith("503 5.5.1 Send EHLO")
        await client.say("EHLO me")
        assert (await client.say("STARTTLS")).startswith("503 5.5.1 ")
        assert (await client.mail()).startswith("250 ")


async def test_old_tls_and_anonymous_ciphers_are_refused(world):
    old = tls_client()
    with warnings.catch_warnings(action="ignore"):
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    anonymous = tls_client()
    anonymous.maximum_version = ssl.TLSVersion.TLSv1_2
    anonymous.set_ciphers("ADH:AECDH:@SECLEVEL=0")
    for context in (old, anonymous):
        async with world.connect() as client:
            await client.hello()
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await client.start_tls(context)
    async with world.connect() as client:
        await client.hello()
        assert (await client.mail()).startswith("250 "), "others don't notice"


def tls_client():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def served(world, name):
    """The certificate that a client gets who asks for `name`."""
    async with world.connect() as client:
        await client.hello()
        await client.start_tls(world.trust, name)
        return client.writer.transport.get_extra_info("ssl_object").getpeercert(binary_form=True)


def der(directory, name):
    return ssl.PEM_cert_to_DER_cert((directory / f"{name}.crt").read_text())


async def test_each_host_name_gets_its_certificate_and_unknown_names_the_default(start, make_certificate, tmp_path):
    make_certificate(tmp_path / "tls", "smtp.acme.example")
    world = await start()
    assert await served(world, "SMTP.acme.example") == der(tmp_path / "tls", "smtp.acme.example")
    assert await served(world, "gate.example") == der(tmp_path / "tls", "gate.example")
    assert await served(world, "other.example") == der(tmp_path / "tls", "gate.example")


async def test_renewed_files_are_taken_up_and_a_broken_pair_is_not(world, make_certificate, tmp_path, monkeypatch):
    monkeypatch.setattr(tls, "CHECK_SECONDS", 0.0)
    directory = tmp_path / "tls"
    first = await served(world, "gate.example")
    make_certificate(directory, "gate.example")
    second = await served(world, "gate.example")
    assert second == der(directory, "gate.example") != first
    key = directory / "gate.example.key"
    key.write_text("half a key")
    os.utime(key, (time.time() + 5, time.time() + 5))
    assert await served(world, "gate.example") == second


async def test_the_server_name_is_told_to_policy(world):
    async with world.connect() as client:
        await client.hello()
        await client.start_tls(world.trust, "smtp.acme.example")
        await client.say("EHLO me")
        await client.say("MAIL FROM:<alice@acme.example>")
    assert world.policy.asked[-1].server_name == "smtp.acme.example"


def test_no_certificate_stops_the_start_and_names_the_setting(tmp_path):
    with pytest.raises(BrokenSetting, match="VARCO_CERTIFICATES="):
        Certificates(tmp_path / "none")
    with pytest.raises(BrokenSetting, match="VARCO_CERTIFICATES="):
        Certificates(tmp_path, ("only-one-file.pem",))


def test_a_broken_certificate_stops_the_start_and_names_its_file(tmp_path):
    (tmp_path / "smtp.crt").write_text("garbage")
    (tmp_path / "smtp.key").write_text("garbage")
    with pytest.raises(BrokenSetting, match=r"VARCO_CERTIFICATES=.*/smtp\.crt: expected .* in .*/smtp\.key"):
        Certificates(tmp_path)


def unreadable(directory: Path, name: str) -> None:
    (directory / f"{name}.crt").write_text("garbage")
    (directory / f"{name}.key").write_text("garbage")


def test_a_start_goes_on_with_the_pairs_that_can_be_read(tmp_path: Path):
    unreadable(tmp_path, "bad.example")
    self_signed(tmp_path, "smtp.example")
    certificates = Certificates(tmp_path)
    assert certificates.names == ["smtp.example"]
    with pytest.raises(Degraded, match=r"not in use: .*bad\.example\.crt"):
        certificates.check()


def test_a_pair_that_became_unreadable_is_used_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tls, "CHECK_SECONDS", 0)
    pair = self_signed(tmp_path, "smtp.example")
    certificates = Certificates(tmp_path)
    pair.certificate.write_text("garbage")
    assert shown(certificates, "smtp.example") == "smtp.example"
    with pytest.raises(Degraded, match=r"smtp\.example\.crt"):
        certificates.check()
    self_signed(tmp_path, "smtp.example")
    assert shown(certificates, "smtp.example") == "smtp.example"
    certificates.check()


def shown(certificates: Certificates, name: str | None) -> str:
    """The name of the certificate that a client gets who asks for `name`, over a real handshake."""
    ours, theirs = socket.socketpair()
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    with ours, theirs, ThreadPoolExecutor(1) as thread:
        server = thread.submit(certificates.context.wrap_socket, ours, server_side=True)
        client = trust.wrap_socket(theirs, server_hostname=name)
        der = client.getpeercert(binary_form=True)
        server.result().close()
        client.close()
    assert der
    return x509.load_der_x509_certificate(der).subject.rfc4514_string().removeprefix("CN=")


def test_without_a_name_a_client_gets_the_gates_own_certificate(tmp_path: Path):
    self_signed(tmp_path, "a.example", issuer="A CA", file="a-ours")
    self_signed(tmp_path, "mx.example", "smtp.example", issuer="A CA", file="b-ours")
    assert shown(Certificates(tmp_path, (), "smtp.example"), None) == "mx.example"


def test_without_a_name_a_client_gets_a_trusted_certificate_before_a_self_signed_one(tmp_path: Path):
    self_signed(tmp_path, "a.example")
    self_signed(tmp_path, "b.example", issuer="A CA")
    assert shown(Certificates(tmp_path, (), "smtp.example"), None) == "b.example"
    assert shown(Certificates(tmp_path, (), "smtp.example"), "unknown.example") == "b.example"


def test_a_file_named_default_is_for_clients_without_a_name(tmp_path: Path):
    self_signed(tmp_path, "a.example", issuer="A CA")
    self_signed(tmp_path, "d.example", file="default")
    assert shown(Certificates(tmp_path, (), "a.example"), None) == "d.example"


async def test_a_handshake_that_takes_too_long_is_ended(world, monkeypatch):
    monkeypatch.setattr(limits, "HANDSHAKE_SECONDS", 0.2)
    async with world.connect("smtps") as client:
        assert await client.reply() == ""


def test_the_end_of_each_certificate_is_shown_and_said_when_it_is_near(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    self_signed(tmp_path, "later.example")
    self_signed(tmp_path, "soon.example", age=timedelta(days=9))
    Certificates(tmp_path)
    end = REGISTRY.get_sample_value("varco_tls_certificate_end_timestamp_seconds", {"name": "soon.example"})
    assert end == pytest.approx(time.time() + 2 * 86_400, abs=60)
    said = capfd.readouterr().err
    assert "a certificate ends soon" in said
    assert "later.example" not in said
