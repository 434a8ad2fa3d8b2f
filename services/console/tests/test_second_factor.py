"""A second factor: codes of an app, each valid once."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyotp
import pytest

from varco_common.base.errors import TransientError
from varco_common.events import AnyEvent, Event, SecondFactorRemoved, SecondFactorSet
from varco_common.testing.waiting import eventually
from varco_console.second_factor import FactorSeal, code_step, new_factor_secret

from .conftest import PASSWORD, send_form

NOW = datetime(2026, 11, 29, 12, 0, 15, tzinfo=UTC)


def test_a_code_is_valid_around_its_time_and_once():
    secret = new_factor_secret()
    code = pyotp.TOTP(secret).at(NOW)
    step = code_step(secret, code, NOW, 0)
    assert step == int(NOW.timestamp()) // 30
    assert code_step(secret, f"{code[:3]} {code[3:]}", NOW + timedelta(seconds=30), 0) == step
    assert code_step(secret, code, NOW + timedelta(seconds=90), 0) == 0
    assert code_step(secret, code, NOW, after=step) == 0
    assert code_step(secret, "", NOW, 0) == 0


def test_a_secret_is_opened_by_its_own_key_alone(tmp_path: Path):
    seal = FactorSeal.from_file(tmp_path / "console.key")
    sealed = seal.encrypt("SECRET")
    assert "SECRET" not in sealed
    assert FactorSeal.from_file(tmp_path / "console.key").decrypt(sealed) == "SECRET"
    with pytest.raises(TransientError, match=r"console\.key"):
        FactorSeal.from_file(tmp_path / "other.key").decrypt(sealed)
    assert (tmp_path / "console.key").stat().st_mode & 0o777 == 0o600


async def attempt(console, **fields: str):
    async with console.browser() as browser:
        return await send_form(browser, "/login", name="anna", password=PASSWORD, **fields)


def unused_code(secret: str) -> str:
    """The code of the period to come: that of the present one counts as used after set_up."""
    return pyotp.TOTP(secret).at(datetime.now(UTC) + timedelta(seconds=30))


async def set_up(browser, secret: str, proof: str) -> str:
    """Returns the code that was given. Its period may end before it arrives, so it tries again."""

    async def is_set() -> str:
        code = pyotp.TOTP(secret).now()
        answer = await send_form(browser, "/me", "/me/second-factor", secret=secret, code=code, proof=proof)
        return code if answer.status_code == 303 else ""

    return str(await eventually(is_set))


async def test_a_stolen_session_alone_neither_replaces_nor_removes_it(console):
    await console.add_with_password("anna", "operator")
    first, second = new_factor_secret(), new_factor_secret()

    async def facts(*kinds: type[Event]) -> list[AnyEvent]:
        filters = [kind.subject_filter() for kind in kinds]
        last = await console.bus.events.last_sequence(*filters)
        return [stored.event async for stored in console.bus.events.read(*filters, after=0, last=last)] if last else []

    async with console.signed_in("anna") as browser:
        await set_up(browser, first, PASSWORD)
        for proof in ("", "no password of hers", pyotp.TOTP(second).now()):
            code = pyotp.TOTP(second).now()
            replaced = await send_form(browser, "/me", "/me/second-factor", secret=second, code=code, proof=proof)
            removed = await send_form(browser, "/me", "/me/second-factor/remove", proof=proof)
            assert (replaced.status_code, removed.status_code) == (422, 422)
        assert len(await facts(SecondFactorSet)) == 1
        assert await facts(SecondFactorRemoved) == []

        async def strikes() -> bool:
            filters = "events.console.auth-failed.*"
            last = await console.bus.events.last_sequence(filters)
            read = console.bus.events.read(filters, after=0, last=last)
            return len([stored async for stored in read]) == 4 if last else False

        await eventually(strikes)  # each guess; what was left empty is none
        await set_up(browser, second, PASSWORD)

        async def removed_by_a_code() -> bool:
            code = unused_code(second)
            return (await send_form(browser, "/me", "/me/second-factor/remove", proof=code)).status_code == 303

        await eventually(removed_by_a_code)
        assert len(await facts(SecondFactorRemoved)) == 1


async def test_who_has_set_it_up_signs_in_with_a_code_that_works_once(console):
    await console.add_with_password("anna", "operator")
    async with console.signed_in("anna") as browser:
        page = (await browser.get("/me/second-factor")).text
        assert "<svg" in page
        secret = page.partition('name="secret" value="')[2].partition('"')[0]
        own = {"secret": secret, "proof": PASSWORD}
        wrong = await send_form(browser, "/me", "/me/second-factor", **own, code="000000x")
        assert wrong.status_code == 422
        used = await set_up(browser, **own)
    assert (await attempt(console, code=used)).status_code == 403
    assert (await attempt(console)).status_code == 403
    assert (await attempt(console, code="123")).status_code == 403

    async def signed_in():  # the period may end between the code and its use
        code = unused_code(secret)
        answer = await attempt(console, code=code)
        return code if answer.status_code == 303 else None

    used = await eventually(signed_in)
    assert (await attempt(console, code=used)).status_code == 403
    assert (await console.admin.delete("/people/anna/second-factor")).status_code == 204
    assert (await attempt(console)).status_code == 303


async def test_a_code_that_confirmed_something_neither_confirms_again_nor_signs_in(console):
    await console.add_with_password("anna", "operator")
    secret = new_factor_secret()
    async with console.signed_in("anna") as browser:
        await set_up(browser, secret, PASSWORD)

        async def confirmed():  # the period may end between the code and its use
            code = unused_code(secret)
            answer = await send_form(browser, "/people", "/people/anna/link", proof=code)
            return code if answer.status_code == 200 else None

        used = await eventually(confirmed)
        assert (await send_form(browser, "/people", "/people/anna/link", proof=used)).status_code == 422
    assert (await attempt(console, code=used)).status_code == 403


CLARA = {"name": "clara", "role": "operator"}


@pytest.mark.parametrize("proof", ["", "no password of hers"])
async def test_a_stolen_session_gets_nothing_that_outlives_it(console, proof):
    await console.add_with_password("anna", "operator")
    await console.add("bert", "operator")
    async with console.signed_in("anna") as browser:
        await set_up(browser, new_factor_secret(), PASSWORD)
        forms = {"/people/anna/link": {}, "/people/anna/second-factor": {}, "/people/bert/link": {}, "/people": CLARA}
        for path, fields in forms.items():
            answer = await send_form(browser, "/people", path, **fields, proof=proof)
            assert answer.status_code == 422
            assert "/password/" not in answer.text
        people = (await console.admin.get("/people")).json()
        assert [(person["name"], person["has_second_factor"]) for person in people] == [("anna", True), ("bert", False)]


async def test_an_operator_who_proves_it_adds_people_and_removes_a_factor(console):
    await console.add_with_password("anna", "operator")
    async with console.signed_in("anna") as browser:
        await set_up(browser, new_factor_secret(), PASSWORD)
        for path, fields in {"/people": CLARA, "/people/clara/link": {}, "/people/anna/link": {}}.items():
            answer = await send_form(browser, "/people", path, **fields, proof=PASSWORD)
            assert "/password/" in answer.text
        removed = await send_form(browser, "/people", "/people/anna/second-factor", proof=PASSWORD)
        assert removed.status_code == 303
        assert not (await console.admin.get("/people")).json()[0]["has_second_factor"]
