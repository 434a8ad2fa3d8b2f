"""One gate for all scenarios, and the mails that they send through it."""

from collections.abc import Iterator

import pytest

from tests.compose.deployment import Deployment, engine_missing

ALICE, PASSWORD = "alice@acme.test", "correct-horse-battery"
ARCHIVE, ANOTHER = "archive@acme.test", "another-long-secret"
ACME = """\
account: acme
language: it
users:
  - {login: alice@acme.test, password: correct-horse-battery}
senders: ["@acme.test"]
route: {smarthost: "catcher:2525", tls: none}
rules:
  attachments: {allow: [pdf, txt, gif, jpg, jpeg, png]}
filelink: {over: 1MB, base_url: "http://127.0.0.1:LINKS", keep: 12 months}
archive: {pop3: {login: archive@acme.test, password: another-long-secret}, keep: 7 days, senders_told: "HR, 2026-11-02"}
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests: all need an engine, and minutes where images are built."""
    here = [item for item in items if "tests/compose" in str(item.path)]
    missing = engine_missing() if here else ""
    for item in here:
        item.add_marker(pytest.mark.timeout(900))
        if missing:
            item.add_marker(pytest.mark.skip(reason=f"no Docker Engine with Compose v2 answers ({missing})"))


@pytest.fixture(scope="session")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A gate with account acme, whose next hop is the catcher of the demo."""
    deployment = Deployment(tmp_path_factory.mktemp("compose"))
    with deployment.running("demo"):
        deployment.apply(ACME.replace("LINKS", str(deployment.ports.links)))
        yield deployment
    assert deployment.containers() == []
