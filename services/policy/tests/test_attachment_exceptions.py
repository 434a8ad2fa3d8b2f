"""Exceptions of attachments in an account file."""

import pytest

ACME = {"account": "acme", "time_zone": "Europe/Rome"}
CAD = {"sender": "CAD@acme.example", "attachments": ["DWG"], "until": "2099-12-24", "reason": "a tender"}
SHOWN = {
    "sender": "cad@acme.example",
    "attachments": ["dwg"],
    "until": "2099-12-23T23:00:00+00:00",
    "reason": "a tender",
}
LAB = {"sender": "@lab.acme.example", "attachments": "any", "reason": "measurements"}


async def patched(policy, *exceptions):
    answer = await policy.http.patch("/accounts/acme", json={"rules": {"exceptions": [*exceptions]}})
    assert answer.status_code == 200, answer.text
    return answer.json()["changes"]


async def shown(policy):
    return (await policy.http.get("/accounts/acme")).json()["rules"]["exceptions"]


async def test_they_are_a_whole_list_whose_entries_are_known_by_sender(policy):
    await policy.put("/accounts/acme", **ACME)
    assert [change["line"] for change in await patched(policy, CAD, LAB)] == [
        "+ attachment exception cad@acme.example dwg until 2099-12-23T23:00:00+00:00",
        "+ attachment exception @lab.acme.example any",
    ]
    assert await shown(policy) == [SHOWN, LAB]
    assert await patched(policy, *await shown(policy)) == []
    kept = {"sender": "cad@acme.example", "reason": "a longer tender"}  # the rest stays
    [longer, removed] = sorted(await patched(policy, kept), key=lambda change: change["removes"])
    assert longer["line"].startswith("~ attachment exception cad@acme.example dwg until 2099")
    assert removed["removes"] == ["attachment exception @lab.acme.example"]
    assert await shown(policy) == [SHOWN | {"reason": "a longer tender"}]
    [entry] = (await policy.http.get("/accounts/acme/attachments/exceptions")).json()
    assert entry["reason"] == "a longer tender"


async def test_what_a_file_leaves_out_leaves_them_alone_and_off_removes_them(policy):
    await policy.put("/accounts/acme", **ACME, rules={"exceptions": [CAD]})
    await policy.put("/accounts/acme", rules={"max_size": "1MB"})
    assert (await policy.http.patch("/accounts/acme", json={"rules": {"max_size": "2MB"}})).is_success
    assert await shown(policy) == [SHOWN]
    [change] = (await policy.http.patch("/accounts/acme", json={"rules": {"exceptions": None}})).json()["changes"]
    assert change["removes"] == ["attachment exception cad@acme.example"]
    assert await shown(policy) == []


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"reason": None}, "reason"),
        ({"attachments": None}, "attachments"),
        ({"until": "2020-01-01"}, "would end before it begins"),
        ({"until": "tomorrow"}, "a time such as 2026-12-24"),
        ({"sender": "nobody"}, "nobody"),
        ({"untill": "2099-01-01"}, "untill"),
    ],
)
async def test_a_wrong_one_is_refused_in_words(policy, wrong, why):
    await policy.put("/accounts/acme", **ACME)
    answer = await policy.http.patch("/accounts/acme", json={"rules": {"exceptions": [CAD | wrong]}})
    assert answer.status_code == 422
    assert why in answer.text


async def test_a_sender_is_excepted_once_and_by_an_admin_only(policy):
    await policy.put("/accounts/acme", **ACME)
    twice = await policy.http.patch("/accounts/acme", json={"rules": {"exceptions": [CAD, CAD]}})
    assert "cad@acme.example is excepted twice" in twice.text
    issued = (await policy.http.post("/accounts/acme/tokens", json={"name": "partner"})).json()
    async with policy.client(issued["token"]) as partner:
        refusal = await partner.patch("/accounts/acme", json={"rules": {"exceptions": [CAD]}})
        assert refusal.status_code == 403
