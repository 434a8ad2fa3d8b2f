"""A project for each customer, with an address of its own: the same ports, nothing in common."""

from base64 import b64encode
from pathlib import Path

from tests.compose.conftest import ALICE, PASSWORD
from tests.compose.deployment import Deployment
from tests.integration.gate import mail, transact, wait_for

GLOBEX = """\
account: globex
users: [{login: bob@globex.test, password: correct-horse-battery}]
senders: ["@globex.test"]
route: {smarthost: "catcher:2525", tls: none}
"""


def test_two_customers_share_an_engine(gate: Deployment, tmp_path: Path) -> None:
    other = Deployment(tmp_path, address="127.0.0.2", ports=gate.ports)
    with other.running("demo"):
        other.apply(GLOBEX)
        for customer, login in ((gate, ALICE), (other, "bob@globex.test")):
            with customer.smtp(login, PASSWORD) as client:
                assert transact(client, login, [f"from-{login}"], mail(login))[0] == 250
            wait_for(lambda customer=customer, login=login: customer.caught(f"from-{login}"), 60)
        assert not gate.caught("from-bob@globex.test")
        assert [account["account"] for account in other.json("accounts", "list")] == ["globex"]
        with other.smtp() as client:
            credentials = b64encode(f"\0{ALICE}\0{PASSWORD}".encode()).decode()
            assert client.docmd("AUTH", f"PLAIN {credentials}")[0] == 535
        assert "taken" not in other.script("check.sh")
