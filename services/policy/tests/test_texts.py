"""What an account's users read: its languages, its time zone, its own texts."""

import pytest

ACME = {"account": "acme", "language": "it"}


def lines(answer):
    return [change["line"] for change in answer["changes"]]


async def patched(policy, **sections):
    answer = await policy.http.patch("/accounts/acme", json=sections)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_languages_and_the_time_zone_are_chosen_and_taken_back(policy):
    await policy.put("/accounts/acme", **ACME)
    chosen = {"language": ["it", "en"], "time_zone": "Europe/Rome"}
    assert lines(await patched(policy, **chosen)) == ["~ language it -> it en", "~ time zone UTC -> Europe/Rome"]
    assert (await patched(policy, **chosen))["changes"] == []
    shown = (await policy.http.get("/accounts/acme")).json()
    assert (shown["language"], shown["time_zone"]) == (["it", "en"], "Europe/Rome")
    assert (await patched(policy, hosts=["mx.acme.example"]))["changes"]
    assert lines(await patched(policy, language="it", time_zone=None)) == [
        "~ language it en -> it",
        "~ time zone Europe/Rome -> UTC",
    ]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"language": []}, "language"),
        ({"language": ["it", "it"]}, "each language once"),
        ({"language": ["it", "fr"]}, "language"),
        ({"time_zone": "Rome"}, "a time zone such as Europe/Rome or UTC"),
        ({"notices": {"quota": {"en": "{limt}"}}}, "{limt} is not known here"),
        ({"notices": {"loop": {"en": "{limit}"}}}, "no fact is"),
        ({"notices": {"bounce-subject": {"en": "Sorry\nBcc: eve@evil.example"}}}, "this notice is one line"),
        ({"notices": {"link": {"en": "a\rb"}}}, "control characters"),
    ],
)
async def test_a_wrong_choice_of_what_users_read_is_refused_in_words(policy, wrong, why):
    await policy.put("/accounts/acme", **ACME)
    answer = await policy.http.patch("/accounts/acme", json=wrong)
    assert answer.status_code == 422
    assert why in answer.text
