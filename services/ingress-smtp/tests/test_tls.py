"""TLS: STARTTLS without a way around it, certificates by name, renewed without a restart."""

import os
import ssl
import time
import warnings
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from varco_common.base.settings import BrokenSetting
from varco_common.runtime import tls
from varco_common.runtime.tls import Certificates
from varco_common.testing.certificates import self_signed


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
    with pytest.raises(BrokenSetting, match="VARCO_INGRESS_CERTIFICATES="):
        Certificates(tmp_path / "none")
    with pytest.raises(BrokenSetting, match="VARCO_INGRESS_CERTIFICATES="):
        Certificates(tmp_path, ("only-one-file.pem",))


def test_a_broken_certificate_stops_the_start_and_names_its_file(tmp_path):
    (tmp_path / "smtp.crt").write_text("garbage")
    (tmp_path / "smtp.key").write_text("garbage")
    with pytest.raises(BrokenSetting, match=r"VARCO_INGRESS_CERTIFICATES=.*/smtp\.crt: expected .* in .*/smtp\.key"):
        Certificates(tmp_path)


async def test_a_handshake_that_takes_too_long_is_ended(start):
    world = await start(handshake_timeout="200 ms")
    async with world.connect("smtps") as client:
        assert await client.reply() == ""


def test_the_end_of_each_certificate_is_shown_and_said_when_it_is_near(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    self_signed(tmp_path, "soon.example")
    Certificates(tmp_path)
    end = REGISTRY.get_sample_value("varco_tls_certificate_end_timestamp_seconds", {"name": "soon.example"})
    assert end == pytest.approx(time.time() + 2 * 86_400, abs=60)
    assert "a certificate ends soon" in capfd.readouterr().err
