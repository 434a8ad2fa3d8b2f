"""The HTTP API, over real HTTP with real tokens."""

from passlib.hash import sha512_crypt

from varco_common.mail.grants import Denied, Grant
from varco_common.testing.waiting import eventually

SECRET = "a-long-secret"
ACME = {
    "account": "acme",
    "language": "it",
    "hosts": ["SMTP.acme.example"],
    "users": [{"login": "alice@acme.example", "password": SECRET, "name": "Alice's laptop"}],
    "senders": ["@acme.example", "Sales@partner.example"],
    "networks": ["192.0.2.0/28"],
    "rules": {"max_size": "10MB", "max_recipients": 50, "attachments": {"allow": [".PDF", "txt", "pdf"]}},
    "notices": {"attachment": {"it": "Niente {name}"}},
}
SHOWN = {
    "account": "acme",
    "language": "it",
    "time_zone": "UTC",
    "hosts": ["smtp.acme.example"],
    "users": [{"login": "alice@acme.example", "name": "Alice's laptop"}],
    "senders": ["@acme.example", "sales@partner.example"],
    "networks": ["192.0.2.0/28"],
    "rules": {
        "max_size": "10MB",
        "max_recipients": 50,
        "attachments": {"allow": ["pdf", "txt"]},
        "encrypted": "refuse",
        "display_addresses": "refuse",
        "unauthorised_senders": "stop",
        "exceptions": [],
    },
    "notices": {"attachment": {"it": "Niente {name}"}},
}


def lines(answer):
    return [change["line"] for change in answer["changes"]]


async def refused(policy, method, path, code=422, **request):
    answer = await policy.http.request(method, path, **request)
    assert answer.status_code == code, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()["detail"]


async def test_a_file_opens_an_account_and_is_shown_without_secrets(policy):
    applied = await policy.put("/accounts/acme", **ACME)
    assert applied["applied"]
    assert lines(applied)[0] == "+ account acme"
    answer = await policy.http.get("/accounts/acme")
    assert answer.json() == SHOWN
    assert answer.headers["etag"] == f'"{applied["version"]}"'
    assert SECRET not in answer.text
    assert "argon2id$" not in answer.text


async def test_what_is_shown_can_be_applied_and_changes_nothing(policy):
    await policy.put("/accounts/acme", **ACME)
    assert (await policy.put("/accounts/acme", **SHOWN))["changes"] == []
    assert (await policy.put("/accounts/acme", **ACME))["changes"] == []


async def test_a_dry_run_says_what_would_change_and_changes_nothing(policy):
    dry = await policy.put("/accounts/acme?dry_run=true", **ACME)
    assert not dry["applied"]
    assert "+ user alice@acme.example" in lines(dry)
    assert (await policy.http.get("/accounts/acme")).status_code == 404
    await policy.put("/accounts/acme", **ACME)
    wanted = {
        "language": "en",
        "users": [{"login": "alice@acme.example", "password": "another-secret"}, {"login": "bob", "password": SECRET}],
        "senders": ["@acme.example"],
        "networks": [{"network": "192.0.2.0/28", "normalise": True}],
        "rules": {"max_size": "20MB", "attachments": "any"},
    }
    dry = await policy.put("/accounts/acme?dry_run=true", **wanted)
    assert lines(dry) == [
        "~ language it -> en",
        "~ user alice@acme.example password changed",
        "+ user bob",
        "- sender sales@partner.example",
        "~ network 192.0.2.0/28 bare line ends are mended",
        "~ rules max_size: 10MB -> 20MB; attachments: pdf txt -> any",
    ]
    assert "secret" not in str(dry)
    assert (await policy.http.get("/accounts/acme")).json() == SHOWN
    assert lines(await policy.put("/accounts/acme", **wanted)) == lines(dry)
    assert (await policy.put("/accounts/acme", **wanted))["changes"] == []


async def test_a_file_compared_with_an_older_version_is_not_applied(policy):
    version = (await policy.put("/accounts/acme", **ACME))["version"]
    await policy.put("/accounts/acme/senders/@other.example")
    detail = await refused(
        policy, "PUT", "/accounts/acme", 409, json={"senders": []}, headers={"If-Match": f'"{version}"'}
    )
    assert "read it again" in detail


async def test_nothing_is_done_of_a_file_that_has_a_mistake(policy):
    mistakes = [
        ({"sender": []}, "sender"),
        ({"senders": ["acme.example"]}, "is no sender"),
        ({"networks": ["0.0.0.0/0"]}, "force it"),
        ({"networks": [{"network": "0.0.0.0/0", "force": True}]}, "needs a reason"),
        ({"users": [{"login": "a b", "password": SECRET}]}, "is no login"),
        ({"users": [{"login": "a", "password": "short"}]}, "at least 8"),
        ({"users": [{"login": "a"}]}, "needs a password"),
        ({"users": [{"login": "a", "password_hash": "{CRAM-MD5}abc"}]}, "CRAM-MD5 is not supported"),
        ({"users": [{"login": "a", "password": SECRET}, {"login": "A", "password": SECRET}]}, "given twice"),
        ({"rules": {"max_size": "much"}}, "a size such as 20MB"),
        ({"rules": {"attachments": ["tar.gz"]}}, "is no extension"),
        ({"hosts": ["smtp acme"]}, "is no host name"),
        ({"notices": {"attachment": {"it": "{nome}"}}}, "{nome} is not known here"),
        ({"account": "other"}, "describes other"),
    ]
    for mistake, why in mistakes:
        detail = await refused(policy, "PUT", "/accounts/acme", json={**ACME, **mistake})
        assert why in detail
        assert SECRET not in detail
    assert (await policy.http.get("/accounts/acme")).status_code == 404
    placed = await policy.http.put("/accounts/acme", json={**ACME, "senders": ["@a.example", "b"]})
    assert placed.json()["errors"][0]["where"] == ["body", "senders", "1"]
    assert "called admin" in await refused(policy, "PUT", "/accounts/admin", json={})
    await refused(policy, "PUT", "/accounts/Acme", json={})


async def test_the_whole_world_is_trusted_by_force_and_with_a_reason(policy):
    await policy.put("/accounts/acme", **ACME)
    await policy.put("/accounts/acme/networks/0.0.0.0/0?reason=a+lab", force=True)
    [_, world] = (await policy.http.get("/accounts/acme/networks")).json()
    assert (world["network"], world["reason"]) == ("0.0.0.0/0", "a lab")
    assert lines((await policy.http.delete("/accounts/acme/networks/0.0.0.0/0")).json()) == ["- network 0.0.0.0/0"]
    await refused(policy, "DELETE", "/accounts/acme/networks/0.0.0.0/0", 404)


async def test_a_login_and_a_network_belong_to_one_account_alone(policy):
    await policy.put("/accounts/acme", **ACME)
    await policy.put("/accounts/other")
    user = {"password": SECRET}
    assert "another account" in await refused(policy, "PUT", "/accounts/other/users/ALICE@acme.example", json=user)
    assert "account acme" in await refused(policy, "PUT", "/accounts/other/networks/192.0.2.0/28", json={})
    await policy.put("/accounts/other/networks/192.0.2.0/29")
    assert (await policy.network("192.0.2.1")).account == "other"
    await policy.http.delete("/accounts/acme", params={"reason": "moved"})
    await policy.put("/accounts/other/users/alice@acme.example", **user)
    assert (await policy.login("alice@acme.example", SECRET)).account == "other"


async def test_an_account_s_token_sees_and_changes_that_account_alone(policy):
    await policy.put("/accounts/acme", **ACME)
    await policy.put("/accounts/other", senders=["@other.example"], users=[{"login": "carol", "password": SECRET}])
    issued = (await policy.http.post("/accounts/acme/tokens", json={"name": "partner"})).json()
    async with policy.client(issued["token"]) as partner:
        assert [account["account"] for account in (await partner.get("/accounts")).json()] == ["acme"]
        assert (await partner.get("/accounts/acme")).status_code == 200
        for method, path in [
            ("GET", "/accounts/other"),
            ("PUT", "/accounts/other/senders/@x.example"),
            ("PUT", "/accounts/brand-new"),
            ("DELETE", "/accounts/acme"),
            ("GET", "/tokens"),
            ("POST", "/accounts/acme/tokens"),
            ("PUT", "/accounts/acme/networks/198.51.100.1"),
            ("PUT", "/accounts/acme/hosts"),
        ]:
            answer = await partner.request(method, path, json={"name": "x", "hosts": []} if method != "GET" else None)
            assert answer.status_code in (403, 422), (method, path)
            assert method == "PUT" or answer.status_code == 403
        assert (await partner.put("/accounts/acme/senders/@mine.acme.example")).status_code == 200
        assert (await partner.put("/accounts/acme/users/bob", json={"password": SECRET})).status_code == 200
        taken = await partner.put("/accounts/acme/senders/boss@mail.other.example")
        assert (taken.status_code, "declared by another" in taken.json()["detail"]) == (403, True)
        stricter = {"max_recipients": 10, "unauthorised_senders": "ban"}
        assert (await partner.put("/accounts/acme/rules", json=stricter)).status_code == 200
        for looser in (
            {"max_recipients": 11},
            {"max_size": "11MB"},
            {"attachments": "any"},
            {"encrypted": "accept"},
            {"display_addresses": "accept"},
            {"unauthorised_senders": "stop"},
        ):
            assert (await partner.put("/accounts/acme/rules", json=looser)).status_code == 403
        assert (await partner.put("/accounts/acme", json={"networks": []})).status_code == 403
        asked = {"address": "x@other.example", "login": "carol"}
        assert (await partner.post("/senders/test", json=asked)).status_code == 404
    assert [token["name"] for token in (await policy.http.get("/accounts/acme/tokens")).json()] == ["partner"]


async def test_a_revoked_token_opens_nothing(policy):
    await policy.put("/accounts/acme", **ACME)
    for base in ("/accounts/acme/tokens", "/tokens"):
        issued = (await policy.http.post(base, json={"name": "x"})).json()
        async with policy.client(issued["token"]) as holder:
            assert (await holder.get("/accounts/acme")).status_code == 200
            assert issued["id"] in [token["id"] for token in (await policy.http.get(base)).json()]
            assert (await policy.http.delete(f"{base}/{issued['id']}")).is_success

            async def is_refused(holder=holder) -> bool:
                return (await holder.get("/accounts/acme")).status_code == 401

            await eventually(is_refused)  # revocations are followed


async def test_without_a_token_nothing_is_told(policy):
    for token in ("", "varco_admin_00000000000000000000_" + "0" * 64):
        async with policy.client(token) as stranger:
            for path in ("/accounts", "/accounts/acme", "/tokens"):
                assert (await stranger.get(path)).status_code == 401


async def test_closing_an_account_needs_a_reason_and_closes_its_tokens_too(policy):
    await policy.put("/accounts/acme", **ACME)
    issued = (await policy.http.post("/accounts/acme/tokens", json={"name": "partner"})).json()
    assert "needs a reason" in await refused(policy, "DELETE", "/accounts/acme")
    closed = (await policy.http.delete("/accounts/acme", params={"reason": "contract ended"})).json()
    assert lines(closed) == [f"- token {issued['id']} partner", "- account acme with all that it holds"]
    assert isinstance(await policy.login("alice@acme.example", SECRET), Denied)
    await policy.put("/accounts/acme")
    assert (await policy.http.get("/accounts/acme")).json()["users"] == []


async def test_senders_are_tested_and_explained(policy):
    await policy.put("/accounts/acme", **ACME)
    await policy.put("/accounts/other", senders=["boss@bank.example"])

    async def test(**question):
        return (await policy.http.post("/senders/test", json=question)).json()

    yes = await test(address="Anybody@ACME.example", login="alice@acme.example")
    assert (yes["allowed"], yes["pattern"], yes["address"]) == (True, "@acme.example", "anybody@acme.example")
    assert yes["why"].startswith("alice@acme.example belongs to account acme, which may send as Anybody@ACME.example")
    no = await test(address="boss@bank.example", account="acme")
    assert (no["allowed"], no["others"]) == (False, ["other"])
    assert no["why"] == (
        "account acme may not send as boss@bank.example: its list has @acme.example, sales@partner.example;"
        " it is on the list of other"
    )
    assert "give a login or an account" in await refused(policy, "POST", "/senders/test", json={"address": "a@b.c"})
    await refused(policy, "POST", "/senders/test", 404, json={"address": "a@b.c", "login": "nobody"})


async def test_logins_are_imported_with_their_hashes(policy):
    await policy.put("/accounts/acme")
    digest = sha512_crypt.using(rounds=1000).hash("old-secret")
    text = f"# from dovecot\n\nbob@acme.example:{{SHA512-CRYPT}}{digest}::::::\ncarol:{digest}\ndave:{{PLAIN}}clear-secret\n"
    imported = (await policy.http.post("/accounts/acme/users/import", json={"lines": text})).json()
    assert lines(imported) == ["+ user bob@acme.example", "+ user carol", "+ user dave"]
    assert isinstance(await policy.login("carol", "old-secret"), Grant)
    assert isinstance(await policy.login("dave", "clear-secret"), Grant)
    again = (await policy.http.post("/accounts/acme/users/import", json={"lines": text})).json()
    assert again["changes"] == []
    bad = {"lines": f"erin:{digest}\nfrank:{{SSHA}}x"}
    assert "frank" in await refused(policy, "POST", "/accounts/acme/users/import", json=bad)
    assert "erin" not in (await policy.http.get("/accounts/acme")).text


async def test_users_are_named_changed_and_removed(policy):
    await policy.put("/accounts/acme", **ACME)
    user = "/accounts/acme/users/alice@acme.example"
    assert lines(await policy.put(user, password=SECRET)) == []
    assert lines(await policy.put(user, name="Alice")) == ["~ user alice@acme.example name: Alice's laptop -> Alice"]
    assert lines(await policy.put(user, password="another-secret")) == ["~ user alice@acme.example password changed"]
    [shown] = (await policy.http.get("/accounts/acme/users")).json()
    assert (shown["hash"], shown["used_at"]) == ("argon2id", None)
    assert (await policy.http.delete(user)).is_success
    await refused(policy, "DELETE", user, 404)


async def test_notices_are_written_shown_and_withdrawn(policy):
    await policy.put("/accounts/acme", **ACME)
    path = "/accounts/acme/notices/size/en"
    await policy.put(path, text="At most {limit}.\r\nSorry.")
    assert (await policy.http.get(path)).json() == {
        "notice": "size",
        "language": "en",
        "text": "At most {limit}.\nSorry.",
        "own": True,
        "facts": ["limit"],
    }
    assert (await policy.http.delete(path)).is_success
    assert (await policy.http.get(path)).json()["own"] is False
    notices = (await policy.http.get("/accounts/acme/notices")).json()
    assert {notice["notice"] for notice in notices} >= {"quota", "link", "bounce", "bounce-subject"}


async def test_an_answer_comes_when_the_change_can_be_read(policy):
    await policy.put("/accounts/acme")
    for number in range(10):
        await policy.put(f"/accounts/acme/senders/@d{number}.example")
        shown = (await policy.http.get("/accounts/acme/senders")).json()
        assert shown[-1]["pattern"] == f"@d{number}.example"


async def test_who_changed_what_and_why_is_in_the_events(policy):
    await policy.put("/accounts/acme")
    await policy.put("/accounts/acme/senders/@acme.example?reason=ticket+7")
    async for stored in policy.bus.events.follow("events.policy.sender-authorised.acme"):
        assert stored.event.by.startswith("token:")
        assert stored.event.reason == "ticket 7"
        break


async def test_what_is_not_there_is_said_to_be_missing(policy):
    for section in ("", "/users", "/senders", "/networks", "/hosts", "/rules", "/notices", "/tokens"):
        assert "there is no account nobody" in await refused(policy, "GET", f"/accounts/nobody{section}", 404)


async def test_a_network_names_the_domain_of_unqualified_addresses(policy):
    await policy.put("/accounts/acme", **ACME)
    path = "/accounts/acme/networks/198.51.100.0/28"
    assert "+ network" in lines(await policy.put(path, normalise=True, domain="Büro.Acme.example"))[0]
    shown = (await policy.http.get("/accounts/acme/networks")).json()[-1]
    assert (shown["normalise"], shown["domain"]) == (True, "xn--bro-hoa.acme.example")
    assert not (await policy.put(path, normalise=True, domain="büro.acme.example"))["changes"]
    refused = await policy.http.put(path, json={"domain": "acme.example"})
    assert refused.status_code == 422
    assert "needs normalise" in refused.text
    assert (await policy.network("198.51.100.3")).domain == "xn--bro-hoa.acme.example"


async def test_null_removes_what_a_network_mends(policy):
    mended = {"network": "192.0.2.0/28", "normalise": True, "domain": "acme.example"}
    await policy.put("/accounts/acme", **ACME | {"networks": [mended]})
    plain = {"networks": [{"network": "192.0.2.0/28", "normalise": None}]}
    assert (await policy.http.patch("/accounts/acme", json=plain)).is_success
    assert (await policy.http.get("/accounts/acme")).json()["networks"] == ["192.0.2.0/28"]


async def test_single_extensions_are_added_and_removed(policy):
    await policy.put("/accounts/acme", **ACME)
    changed = await policy.put("/accounts/acme/rules", add_attachments=["ZIP", "pdf"], remove_attachments=["txt"])
    assert lines(changed) == ["~ rules attachments: pdf txt -> pdf zip"]
    assert (await policy.put("/accounts/acme/rules", add_attachments=[".zip"]))["changes"] == []
    why = await refused(policy, "PUT", "/accounts/acme/rules", json={"remove_attachments": ["exe"]})
    assert "exe: not among the attachments" in why
    await policy.put("/accounts/acme/rules", attachments="any")
    assert "any attachment may pass" in await refused(
        policy, "PUT", "/accounts/acme/rules", json={"add_attachments": ["zip"]}
    )


async def test_an_attachment_exception_has_a_reason_and_an_end(policy):
    await policy.put("/accounts/acme", **ACME)
    base = "/accounts/acme/attachments/exceptions"
    form = {"attachments": ["zip"], "until": "2099-12-24T18:00:00+01:00"}
    assert (await policy.http.put(f"{base}/cad@acme.example", json=form)).status_code == 422, "no reason"
    answer = await policy.http.put(f"{base}/CAD@acme.example", json=form, params={"reason": "a tender"})
    assert lines(answer.json()) == ["+ attachment exception cad@acme.example zip until 2099-12-24T17:00:00+00:00"]
    (shown,) = (await policy.http.get(base)).json()
    assert (shown["sender"], shown["reason"], shown["ended"]) == ("cad@acme.example", "a tender", False)
    assert shown["by"].startswith("token:")
    for wrong in (
        {"attachments": ["zip"], "until": "2020-01-01T00:00:00Z"},
        {"attachments": ["zip"], "until": "2099-01-01"},
    ):
        refusal = await policy.http.put(f"{base}/a@b.example", json=wrong, params={"reason": "a tender"})
        assert refusal.status_code == 422
    issued = (await policy.http.post("/accounts/acme/tokens", json={"name": "partner"})).json()
    async with policy.client(issued["token"]) as partner:
        refusal = await partner.put(f"{base}/a@acme.example", json=form, params={"reason": "a tender"})
        assert refusal.status_code == 403
        assert (await partner.delete(f"{base}/cad@acme.example")).status_code == 200
    assert (await policy.http.delete(f"{base}/cad@acme.example")).status_code == 404
    assert (await policy.http.get(base)).json() == []
