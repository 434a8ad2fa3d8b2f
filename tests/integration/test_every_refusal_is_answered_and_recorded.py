"""The table of answers from both sides: the client's answer, and the event with the reason."""

import smtplib
import uuid

import pytest

from tests.integration.conftest import Hop
from tests.integration.gate import Gate, mail, transact, wait_for
from varco_common.events import AuthCause, AuthFailed, MailRefused
from varco_common.mail.replies import Reply

STRANGER = "127.0.0.77"  # not in acme's networks


def attachment(name: str, content: str = "TVqQAAMAAAAEAAAA", kind: str = "application/octet-stream") -> bytes:
    body = (
        "--frontier\r\nContent-Type: text/plain\r\n\r\nsee there\r\n"
        f'--frontier\r\nContent-Type: {kind}\r\nContent-Disposition: attachment; filename="{name}"\r\n'
        f"Content-Transfer-Encoding: base64\r\n\r\n{content}\r\n--frontier--\r\n"
    )
    return mail("alice@acme.test", body, MIME_Version="1.0", Content_Type='multipart/mixed; boundary="frontier"')


def refused(gate: Gate, reply: Reply, recipient: str) -> MailRefused:
    """Returns the event of the refused mail to this recipient."""

    def found() -> list[MailRefused]:
        events = [event for event in gate.events("mail-refused") if isinstance(event, MailRefused)]
        return [e for e in events if recipient in e.ballot.envelope.recipients or recipient == e.ballot.envelope.sender]

    event = wait_for(found)[-1]
    assert event.reply is reply
    return event


@pytest.fixture
def recipient() -> str:
    return f"{uuid.uuid4().hex[:8]}@dest.test"


def test_a_forbidden_attachment_bounces_with_the_notice_that_names_it(gate: Gate, hop: Hop, recipient: str) -> None:
    with gate.smtp() as client:
        code, text = transact(client, "alice@acme.test", [recipient], attachment("esempio.zip"))
    assert code == 554
    assert text.startswith(
        '5.7.1 L\'allegato "esempio.zip"\n5.7.1 ha violato la politica di sicurezza della vostra azienda.'
    )
    assert "La spedizione e' stata bloccata." in text
    event = refused(gate, Reply.FORBIDDEN_ATTACHMENT, recipient)
    assert event.ballot.envelope.id in text
    assert any("esempio.zip" in vote.reason for vote in event.votes)
    assert not hop.server.for_recipient(recipient)


@pytest.mark.parametrize("name", ["invoice.pdf", "invoice.txt"])
def test_a_disguised_executable_is_refused(gate: Gate, recipient: str, name: str) -> None:
    with gate.smtp() as client:
        code, _ = transact(client, "alice@acme.test", [recipient], attachment(name))
    assert code == 554
    refused(gate, Reply.FORBIDDEN_ATTACHMENT, recipient)


def test_an_allowed_attachment_passes(gate: Gate, hop: Hop, recipient: str) -> None:
    with gate.smtp() as client:
        sent = attachment("rapporto.pdf", "JVBERi0xLjQKJcOkw7zDtsOfCg==", "application/pdf")
        code, text = transact(client, "alice@acme.test", [recipient], sent)
    assert code == 250, text
    assert hop.mail_for(recipient).body.endswith(sent)


def test_a_program_that_only_some_clients_would_find_is_refused(gate: Gate, recipient: str) -> None:
    """`rapporto.pdf` holds a program; with the first of two Content-Type fields it is only text."""
    sent = attachment("rapporto.pdf").replace(b"MIME-Version", b"Content-Type: text/plain\r\nMIME-Version")
    with gate.smtp() as client:
        code, text = transact(client, "alice@acme.test", [recipient], sent)
    assert (code, text[:5]) == (554, "5.7.1")
    assert "rapporto.pdf" in text
    refused(gate, Reply.FORBIDDEN_ATTACHMENT, recipient)


def test_a_sender_that_nobody_declared_is_refused_before_the_upload(gate: Gate) -> None:
    sender = f"{uuid.uuid4().hex[:8]}@stranger.test"
    with gate.smtp() as client:
        code, text = client.docmd(f"MAIL FROM:<{sender}>")
    assert code == 550
    assert text.startswith(b"5.7.1")
    assert sender.encode() in text
    assert b"acme" in text
    refused(gate, Reply.SENDER_NOT_AUTHORISED, sender)


def test_a_from_field_that_nobody_declared_is_refused(gate: Gate, recipient: str) -> None:
    with gate.smtp() as client:
        code, text = transact(client, "alice@acme.test", [recipient], mail("Boss <boss@victim.test>"))
    assert (code, text[:5]) == (550, "5.7.1")
    assert "boss@victim.test" in text
    refused(gate, Reply.SENDER_NOT_AUTHORISED, recipient)


def test_a_declared_size_over_the_limit_is_refused_before_the_upload(gate: Gate) -> None:
    with gate.smtp() as client:
        code, text = client.docmd("MAIL FROM:<alice@acme.test> SIZE=3000000")
    assert code == 552
    assert text.startswith(b"5.3.4")
    assert b"2000000" in text


def test_a_body_over_the_limit_is_refused_at_its_end(gate: Gate, recipient: str) -> None:
    with gate.smtp() as client:
        sent = mail("alice@acme.test", ("x" * 70 + "\r\n") * 30_000)
        code, text = transact(client, "alice@acme.test", [recipient], sent)
        assert client.noop()[0] == 250, "the session goes on"
    assert (code, text[:5]) == (552, "5.3.4")
    assert "2000000" in text


def test_recipients_over_the_limit_are_deferred_and_the_others_served(gate: Gate, hop: Hop, recipient: str) -> None:
    with gate.smtp() as client:
        client.docmd("MAIL FROM:<alice@acme.test>")
        answers = [client.docmd(f"RCPT TO:<{n}{recipient}>") for n in range(7)]
        assert [code for code, _ in answers] == [250] * 5 + [452] * 2
        assert answers[-1][1].startswith(b"4.5.3")
        client.docmd("DATA")
        client.send(mail("alice@acme.test") + b".\r\n")
        assert client.getreply()[0] == 250
    assert len(hop.mail_for(f"0{recipient}").recipients) == 5


def test_who_is_unknown_must_authenticate(gate: Gate) -> None:
    with gate.smtp(STRANGER) as client:
        code, text = client.docmd("MAIL FROM:<alice@acme.test>")
    assert (code, text[:5]) == (530, b"5.7.0")


def test_auth_without_tls_is_refused_and_recorded(gate: Gate) -> None:
    with gate.smtp("127.0.0.78") as client:
        assert "auth" not in client.esmtp_features
        code, text = client.docmd("AUTH PLAIN AGFsaWNlAHdyb25n")
    assert (code, text[:6]) == (538, b"5.7.11")
    wait_for(lambda: failures(gate, "127.0.0.78", AuthCause.INSECURE_CHANNEL))


def test_wrong_credentials_are_refused_and_recorded(gate: Gate) -> None:
    with gate.smtp("127.0.0.79", tls=True) as client, pytest.raises(smtplib.SMTPAuthenticationError) as caught:
        client.login("alice@acme.test", "wrong")
    assert caught.value.smtp_code == 535
    assert caught.value.smtp_error.startswith(b"5.7.8")
    [event] = wait_for(lambda: failures(gate, "127.0.0.79", AuthCause.WRONG_CREDENTIALS))[:1]
    assert event.login == "alice@acme.test"
    assert event.account == "acme"


def test_a_login_that_is_broken_off_is_recorded(gate: Gate) -> None:
    with gate.smtp("127.0.0.80", tls=True) as client:
        client.docmd("AUTH LOGIN")
        client.close()
    wait_for(lambda: failures(gate, "127.0.0.80", AuthCause.BROKEN_OFF))


def test_a_good_login_may_send(gate: Gate, hop: Hop, recipient: str) -> None:
    with gate.smtp(STRANGER, tls=True) as client:
        client.login("alice@acme.test", "correct-horse")
        assert transact(client, "alice@acme.test", [recipient], mail("alice@acme.test"))[0] == 250
    assert b"alice@acme.test" in hop.mail_for(recipient).body


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n"])
def test_no_second_mail_can_be_smuggled_in(gate: Gate, hop: Hop, recipient: str, end: bytes) -> None:
    second = f"MAIL FROM:<alice@acme.test>\r\nRCPT TO:<smuggled{recipient}>\r\nDATA\r\n".encode() + mail(
        "alice@acme.test"
    )
    with gate.smtp() as client:
        code, text = transact(client, "alice@acme.test", [recipient], mail("alice@acme.test") + b"x" + end + second)
        assert (code, text[:6]) == (550, "5.6.11")
        assert client.noop()[0] == 250, "one answer, and one only"
    assert not hop.server.for_recipient(f"smuggled{recipient}")


def failures(gate: Gate, host: str, cause: AuthCause) -> list[AuthFailed]:
    events = [event for event in gate.events("auth-failed") if isinstance(event, AuthFailed)]
    return [event for event in events if event.host == host and event.cause is cause]
