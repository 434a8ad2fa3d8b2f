"""A list of senders is asked of policy before it is added."""

from varco_console.html_pages.senders.sender_changes import MAX_DOMAINS, refused
from varco_console.service_apis import ApiFailure

WHY = "anybody can have an address at gmail.com"


class Policy:
    """policy's API: refuses gmail.com, and counts what it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def get(self, service: str, path: str) -> list[dict[str, str]]:
        self.asked += 1
        return [{"pattern": "@acme.example"}]

    async def change(self, service: str, method: str, path: str, *, body: dict, **_: object) -> dict[str, object]:
        self.asked += 1
        if "@gmail.com" in body["senders"]:
            raise ApiFailure(service, 403, WHY)
        return {}


async def test_a_refused_list_of_many_domains_is_few_questions():
    policy = Policy()
    senders = ["@gmail.com", *(f"@d{number}.example" for number in range(20_000))]
    answer = dict(await refused(policy, "acme", senders))
    assert policy.asked <= 2 * (MAX_DOMAINS + 1)
    assert answer["@gmail.com"] == WHY
    assert "@d0.example" not in answer
    assert "not looked at" in answer["@d19999.example"]


async def test_a_list_that_policy_takes_is_one_question():
    policy = Policy()
    assert await refused(policy, "acme", [f"@d{number}.example" for number in range(20_000)]) == []
    assert policy.asked == 2
