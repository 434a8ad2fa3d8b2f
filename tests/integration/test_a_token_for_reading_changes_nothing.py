"""A token for reading is refused by every route of every service that could change something."""

import httpx

from tests.integration.gate import Gate
from varco_common.runtime.token_signer import TokenSigner

READING = {"get", "head"}


def test_a_token_for_reading_changes_nothing(gate: Gate):
    signer = TokenSigner(gate.home.token_key.read_bytes().strip())
    _, text = signer.mint_limited("admin", read_only=True, person="auditor")
    tried = []
    for service, url in gate.apis().items():
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {text}"}, timeout=30) as client:
            for path, operations in client.get("/openapi.json").json()["paths"].items():
                for method, operation in operations.items():
                    if method in READING or operation.get("x-reads"):
                        continue
                    answer = client.request(method, path.replace("{", "").replace("}", ""), json={})
                    assert answer.status_code in (403, 422), (service, method, path, answer.text)
                    tried.append(answer.status_code)
    assert tried.count(403) > 40
