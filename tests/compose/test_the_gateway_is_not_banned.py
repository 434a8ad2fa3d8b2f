"""Connections from the machine itself all come from the network's gateway: it is never banned."""

import json
from base64 import b64encode

from tests.compose.conftest import ALICE, PASSWORD
from tests.compose.deployment import Deployment
from tests.integration.gate import mail, transact, wait_for

NOBODY = b64encode(b"\0nobody@acme.test\0wrong").decode()


def test_three_bad_logins_from_the_machine_itself_lock_nobody_out(gate: Deployment) -> None:
    networks = gate.containers("gate")[0]["NetworkSettings"]["Networks"]
    gateway = networks[f"{gate.project}_outer"]["Gateway"]
    for _ in range(4):
        with gate.smtp() as client:
            assert client.docmd("AUTH", f"PLAIN {NOBODY}")[0] in (535, 454)

    def warned() -> list[str]:
        return [line for line in gate.logs("banguard") if "a gateway failed too often and is not banned" in line]

    assert gateway in json.dumps(wait_for(warned))
    assert gateway not in {ban["network"] for ban in gate.json("bans", "list")}
    assert f"{gateway} is not banned, though it failed" in gate.varco("bans", "list")
    with gate.smtp(ALICE, PASSWORD) as client:
        assert transact(client, ALICE, ["gateway@dest.test"], mail(ALICE))[0] == 250
    gate.varco("bans", "ignore", gateway, "--reason", "the warning was seen")
    assert gate.json("status")["services"]["banguard"]["state"] == "serving"
