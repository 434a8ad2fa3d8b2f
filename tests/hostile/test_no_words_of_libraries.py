"""Whatever a person writes, the answer is in Varco's words: never in those of a library."""

import json
import random
import re
from inspect import signature

import pytest
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError

from varco_archive.api.schemas import ArchiveIn
from varco_cli.account_file import parsed
from varco_cli.failures import Misused
from varco_common.base.mistakes import mistakes
from varco_filelink.api.schemas import LinkSettingsIn
from varco_policy.api.request_schemas import AccountDocument
from varco_ratelimit.api.schemas import QuotasForm
from varco_relay.api.route_forms import RouteIn

from .test_requests_out_of_range import SERVICES, Anything

WORDS = re.compile(
    r"should (match|be|have)|found character|cannot start any|Errno|Extra inputs|[Ii]nput |valid (string|integer|dictionary)"
    r"|codec can't|body\.|Value error|block end|while (parsing|scanning)|not permitted|constructor|unhashable|JSON compliant"
    r"|serializable|instance of|NoneType|datetime\.|literal\[|function-|Field required|ctx|pydantic|yaml\.org|Traceback"
)
FORMS = (AccountDocument, LinkSettingsIn, QuotasForm, ArchiveIn, RouteIn)
VALUES = (
    None, True, False, 0, -1, 2.5, 10**30, "", "x", "off", "@acme.example", "\0", "é" * 5_000, "24/12/2026", "500/day", "1e99",
    "99999999999999999999 years", "-5MB", "\ud800", [], [None], ["x", 5], [[]], {}, {"x": 1}, {"limit": "x"}, {"to": 5},
    {"": {}}, {"login": 5, "password": 12345678}, {"sender": "x", "until": "tomorrow"}, [{"network": "10.0.0.0/4"}],
)  # fmt: skip
VALID = """\
account: acme
users:
  - {login: alice@acme.example, password: a-long-secret}
senders: ["@acme.example"]
rules:
  max_size: 20MB
  attachments: {allow: [pdf, txt]}
quotas: {messages: {limit: 500, per: 1 hour}, exceptions: [{sender: a@b.example, until: 2026-12-24}]}
"""


def _said(kind: object, document: object) -> list[str]:
    adapter = TypeAdapter(kind)
    try:
        adapter.validate_python(document)
    except ValidationError as error:
        return [f"{'.'.join(m.where)}: {m.what}" for m in mistakes(error.errors(include_url=False), document, kind)]
    return []


def _keys(schema: dict) -> list[str]:
    parts = [schema, *schema.get("$defs", {}).values()]
    return [key for part in parts for key in part.get("properties", {})]


def _bodies() -> dict[str, object]:
    """The type of each request body of each service."""
    bodies: dict[str, object] = {form.__name__: form for form in FORMS}
    for module in SERVICES:
        parameters = signature(module.router).parameters.values()
        given = {p.name: Anything() for p in parameters if p.kind is p.KEYWORD_ONLY}
        router = module.router(*[Anything() for p in parameters if p.kind is not p.KEYWORD_ONLY], **given)
        for route in router.routes:
            if isinstance(route, APIRoute) and route.body_field:
                name = f"{module.__name__.split('.')[0]} {min(route.methods)} {route.path}"
                bodies[name] = route.body_field.field_info.annotation
    return bodies


BODIES = _bodies()


def test_the_bodies_of_all_services_are_known():
    assert len(BODIES) > 20


@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_refused_in_our_words(name):
    kind, choose = BODIES[name], random.Random(name)
    keys = [*_keys(TypeAdapter(kind).json_schema()), "x"]
    for value in VALUES:
        documents = [value, [value], *({key: value} for key in keys)]
        documents += [
            {key: {choose.choice(keys): value} for key in choose.sample(keys, min(3, len(keys)))} for _ in range(3)
        ]
        documents += [{key: [{choose.choice(keys): value, choose.choice(keys): "x"}]} for key in keys]
        for document in documents:
            for said in _said(kind, document):
                assert not WORDS.search(said.replace(str(value), "")), (said, document)
                assert len(said.splitlines()) == 1


def test_a_broken_file_is_refused_in_our_words():
    choose = random.Random(12)
    for _ in range(3_000):
        text = VALID
        for _ in range(choose.randrange(1, 4)):
            place = choose.randrange(len(text))
            text = (
                text[:place]
                + choose.choice("@\t:{}[]\"'&*!%`|>-?,#\\~ \n\x01é=<") * choose.randrange(1, 3)
                + text[place + choose.randrange(3) :]
            )
        said = _refusal(text)
        assert not WORDS.search(said), (said, text)
        assert len(said.splitlines()) <= 1
        assert not said or said.startswith("acme.yaml")


def _refusal(text: str) -> str:
    try:
        parsed("acme.yaml", text)
    except Misused as refusal:
        return str(refusal)
    return ""


async def test_the_service_answers_in_our_words(policy):
    for value in VALUES:
        try:
            content = json.dumps(value).encode()
        except UnicodeEncodeError:
            continue
        for method, path in (
            ("PATCH", "/accounts/acme"),
            ("PUT", "/accounts/acme"),
            ("PUT", "/accounts/acme/rules"),
            ("PUT", "/accounts/acme/users/alice"),
            ("POST", "/senders/test"),
            ("PUT", "/accounts/acme/notices/sender/it"),
        ):
            for body in (content, b'{"rules": ' + content + b"}", b'{"users": [' + content + b"]}", content + b"}"):
                headers = {"Content-Type": "application/json"}
                answer = await policy.admin.request(method, path, content=body, headers=headers)
                assert answer.status_code < 500, (path, body)
                assert answer.status_code < 400 or not WORDS.search(answer.text), (path, body, answer.text)
    answer = await policy.admin.patch("/accounts/A.B", params={"dry_run": "perhaps"})
    assert not WORDS.search(answer.text), answer.text
