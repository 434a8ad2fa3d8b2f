"""A new deployment delivers mail, with the answers that clients get, from the operator's files."""

import secrets

import pytest

from tests.compose.conftest import ALICE, PASSWORD
from tests.compose.deployment import Deployment
from tests.integration.gate import mail, transact, wait_for

ZIP = """\
--limit\r
Content-Type: text/plain\r
\r
hello\r
--limit\r
Content-Type: application/zip; name="esempio.zip"\r
Content-Disposition: attachment; filename="esempio.zip"\r
Content-Transfer-Encoding: base64\r
\r
UEsDBAoAAAAAAA==\r
--limit--\r
"""


@pytest.fixture
def recipient() -> str:
    return f"{secrets.token_hex(6)}@dest.test"


def test_every_service_is_ready(gate: Deployment) -> None:
    told = gate.json("status")

    assert told["ready"], told
    assert {"ingress-smtp", "policy", "ratelimit", "banguard", "filelink", "relay", "archive", "firewall"} <= told[
        "services"
    ].keys()


def test_an_accepted_mail_reaches_the_next_hop(gate: Deployment, recipient: str) -> None:
    with gate.smtp(ALICE, PASSWORD) as client:
        answer = transact(client, ALICE, [recipient], mail(ALICE, "byte for byte\r\n"))

    assert answer[0] == 250, answer
    assert answer[1].startswith("2.0.0 Ok: queued as "), answer
    caught = wait_for(lambda: gate.caught(recipient))
    assert [one["content"].partition("\r\n\r\n")[2] for one in caught] == ["byte for byte\r\n"]


def test_a_body_over_the_inline_limit_goes_through_the_object_store(gate: Deployment, recipient: str) -> None:
    body = mail(ALICE, ("x" * 76 + "\r\n") * 40_000)  # 3 MB of text: nothing to make a link of

    with gate.smtp(ALICE, PASSWORD) as client:
        answer = transact(client, ALICE, [recipient], body)

    assert answer[0] == 250, answer
    assert wait_for(lambda: gate.caught(recipient))[0]["size"] > 3_000_000


def test_a_forbidden_attachment_is_refused_with_the_notice(gate: Deployment, recipient: str) -> None:
    body = mail(ALICE, ZIP, MIME_Version="1.0", Content_Type='multipart/mixed; boundary="limit"')

    with gate.smtp(ALICE, PASSWORD) as client:
        code, text = transact(client, ALICE, [recipient], body)

    assert (code, text[:6]) == (554, "5.7.1 ")
    assert 'L\'allegato "esempio.zip"' in text


def test_a_sender_that_is_not_authorised_is_refused(gate: Deployment, recipient: str) -> None:
    with gate.smtp(ALICE, PASSWORD) as client:
        code, text = transact(client, "boss@elsewhere.test", [recipient], mail("boss@elsewhere.test"))

    assert (code, text[:6]) == (550, "5.7.1 ")


def test_nothing_is_relayed_without_a_login(gate: Deployment, recipient: str) -> None:
    with gate.smtp() as client:
        code, _ = transact(client, ALICE, [recipient], mail(ALICE))

    assert code == 530
