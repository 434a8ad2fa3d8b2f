"""A mail's way through the gate, as the client, the bus and the voters see it."""

import hashlib

from varco_common.testing.smtp import TEXT


async def test_a_mail_is_answered_250_with_the_id_of_its_record(world, client):
    answer = await client.mail()
    (stored,) = await world.records()
    assert answer == f"250 2.0.0 Ok: queued as {stored.record.envelope.id}\r\n"
    assert stored.subject == "mail.accepted.acme"
    assert stored.record.envelope.recipients == ("bob@remote.example",)
    assert [vote.voter for vote in stored.record.votes] == ["policy"]
    assert stored.body.endswith(TEXT)
    assert stored.record.body.size == len(stored.body)
    assert stored.record.body.sha256 == hashlib.sha256(stored.body).hexdigest()
