"""A refused forwarded copy becomes an event and a metric. The sender hears nothing of it."""

from tests.integration.conftest import Hop
from tests.integration.gate import Gate, mail, transact, wait_for
from varco_common.events import CopyBounced

FILE = """\
account: {account}
senders: ["@{account}.test"]
networks: ["{network}"]
route: {{smarthost: "127.0.0.1:{port}", tls: none}}
archive: {{forward: {{to: boss@{account}.test{more}}}, senders_told: "HR"}}
"""


def test_a_bounced_copy_is_an_event_whatever_its_return_path_is(gate: Gate, hop: Hop) -> None:
    for account, network, more in (
        ("nullpath", "127.0.10.0/24", ""),
        ("ownpath", "127.0.11.0/24", ", return_path: copies@ownpath.test"),
    ):
        hop.server.answer(f"boss@{account}.test", "550 5.1.1 no such boss")
        gate.apply(FILE.format(account=account, network=network, more=more, port=hop.server.port))
        with gate.smtp(network.replace("0/24", "1")) as client:
            code, text = transact(
                client, f"a@{account}.test", [f"to@{account}.elsewhere.test"], mail(f"a@{account}.test")
            )
            assert code == 250, text
        hop.mail_for(f"to@{account}.elsewhere.test")

        def bounced(account: str = account) -> list[CopyBounced]:
            events = gate.events("copy-bounced")
            return [one for one in events if isinstance(one, CopyBounced) and one.account == account]

        [event] = wait_for(bounced)
        assert (event.address, event.answer) == (f"boss@{account}.test", "550 5.1.1 no such boss")
    # the copy's own return path gets the notification, as it asked for; no sender does
    assert b"no such boss" in hop.mail_for("copies@ownpath.test").body
    assert not [one for name in ("nullpath", "ownpath") for one in hop.server.for_recipient(f"a@{name}.test")]
