"""A final refusal of the next hop returns to the sender as a delivery status notification."""

import email
import email.policy
import uuid

from tests.integration.conftest import Hop
from tests.integration.gate import Gate, mail, transact, wait_for


def test_a_refused_recipient_is_reported_to_the_sender(gate: Gate, hop: Hop) -> None:
    gone, fine, sender = (f"{uuid.uuid4().hex[:8]}@{domain}" for domain in ("dest.test", "dest.test", "acme.test"))
    hop.server.answer(gone, "550 5.1.1 no such user here")
    with gate.smtp() as client:
        assert transact(client, sender, [gone, fine], mail(sender))[0] == 250
    assert hop.mail_for(fine).recipients == (fine,)
    notification = hop.mail_for(sender)
    assert notification.sender == ""
    report = email.message_from_bytes(notification.content, policy=email.policy.default)
    assert report.get_content_type() == "multipart/report"
    status = next(part for part in report.walk() if part.get_content_type() == "message/delivery-status").as_string()
    assert f"rfc822; {gone}" in status.lower()
    assert "5.1.1" in status
    assert "no such user here" in status


def test_a_bounce_of_a_bounce_is_not_sent(gate: Gate, hop: Hop) -> None:
    gone = f"{uuid.uuid4().hex[:8]}@dest.test"
    hop.server.answer(gone, "550 5.1.1 no such user here")
    with gate.smtp() as client:
        assert transact(client, "", [gone], mail("alice@acme.test"))[0] == 250
    wait_for(lambda: [e for e in gate.events("mail-bounced") if gone in str(e)])
    assert not [
        received for received in hop.server.received if received.sender == "" and "MAILER-DAEMON" in received.recipients
    ]


def test_a_deferred_mail_is_in_the_queue_until_the_next_hop_takes_it(gate: Gate, hop: Hop) -> None:
    later = f"{uuid.uuid4().hex[:8]}@dest.test"
    hop.server.answer(later, "450 4.2.0 greylisted")
    with gate.smtp() as client:
        code, text = transact(client, "alice@acme.test", [later], mail("alice@acme.test"))
    assert code == 250
    mail_id = text.split()[-1]
    wait_for(lambda: mail_id in gate.varco("queue", "list").stdout)
    assert "greylisted" in gate.varco("queue", "show", mail_id).stdout
    assert gate.varco("queue", "retry", mail_id).returncode == 0
    assert hop.mail_for(later).recipients == (later,)
    wait_for(lambda: mail_id not in gate.varco("queue", "list").stdout)
