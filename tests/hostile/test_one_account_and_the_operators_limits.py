"""What the operator bounds, an account's own token cannot exceed (ADR 9)."""

from datetime import UTC, datetime, timedelta

import pytest

from varco_common.events import AccountOpened, Language
from varco_common.testing import free_port
from varco_filelink import app as filelink_app
from varco_filelink.permissions import extension_refusal
from varco_filelink.settings import Settings as FilelinkSettings

ON = {"over": "5MB", "keep": "100 days"}


@pytest.fixture
async def filelink(start, bus):
    await bus.events.append(AccountOpened(at=datetime.now(UTC), account="acme", by="test", language=Language.EN))
    async with start(
        filelink_app.serve,
        FilelinkSettings,
        links_port=free_port(),
    ) as running:
        yield running


async def test_only_the_operator_turns_links_on_and_keeps_files_for_ever(filelink):
    url = "/accounts/acme/filelink"
    async with filelink.client("acme") as account:
        assert (await account.put(url, json=ON)).status_code == 403
        assert (await filelink.admin.put(url, json=ON)).status_code == 200
        assert (await account.put(url, json=ON)).json()["changes"] == []
        assert (await account.put(url, json={**ON, "keep": "36500 days"})).status_code == 403
        assert (await account.put(url, json={**ON, "keep": "1825 days"})).status_code == 200
        assert (await filelink.admin.put(url, json={**ON, "keep": "36500 days"})).status_code == 200
        assert (await account.put(url, json={**ON, "keep": "36000 days"})).status_code == 200  # less than it was
        assert (await account.put(url, json="off")).status_code == 200
        assert (await account.put(url, json=ON)).status_code == 403


def test_an_account_extends_a_link_within_the_operators_bound():
    now, bound = datetime(2026, 11, 29, tzinfo=UTC), timedelta(days=10)
    assert not extension_refusal(now + bound, now, bound)
    assert "only an admin" in extension_refusal(now + timedelta(days=11), now, bound)
