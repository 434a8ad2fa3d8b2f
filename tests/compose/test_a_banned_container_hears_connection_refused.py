"""After three strikes the kernel refuses a container on every port, while others go on."""

import json
import subprocess

from tests.compose.conftest import ALICE, PASSWORD
from tests.compose.deployment import Deployment
from tests.integration.gate import mail, transact

ATTACK = """
import base64, json, smtplib, socket, ssl, time
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
codes = []
for _ in range(3):
    client = smtplib.SMTP("gate", 2525, timeout=30)
    client.starttls(context=context)
    client.ehlo()
    codes.append(client.docmd("AUTH", "PLAIN " + base64.b64encode(b"\\0alice@acme.test\\0wrong").decode())[0])
    client.close()

def refused(port):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            socket.create_connection(("gate", port), 5).close()
        except ConnectionRefusedError:
            return True
        time.sleep(0.05)
    return False

print(json.dumps({"codes": codes, "refused": [refused(port) for port in (2525, 2587, 2465, 2110, 2995)]}))
"""


def test_a_banned_container_hears_connection_refused(gate: Deployment) -> None:
    image = gate.containers("gate")[0]["Config"]["Image"]
    command = ["docker", "run", "--rm", "--network", f"{gate.project}_outer", image, "python", "-c", ATTACK]

    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"codes": [535] * 3, "refused": [True] * 5}
    assert len(gate.json("bans", "list")) == 1
    with gate.smtp(ALICE, PASSWORD) as client:
        assert transact(client, ALICE, ["others@dest.test"], mail(ALICE))[0] == 250
