"""Numbers and times that no calendar and no database holds are the client's mistake."""

from collections.abc import Iterator
from datetime import UTC, datetime
from inspect import signature
from types import SimpleNamespace

import httpx
import pytest
from fastapi import APIRouter, FastAPI

import varco_archive.api
import varco_audit.api
import varco_banguard.api
import varco_domains.api.routes
import varco_filelink.api
import varco_policy.api
import varco_ratelimit.api.routes
import varco_relay.api.queue
import varco_relay.api.routes
from varco_common.runtime import problems
from varco_filelink.downloads.byte_ranges import ByteRange, requested_range

SERVICES = (
    varco_archive.api,
    *(getattr(varco_audit.api, name) for name in varco_audit.api.__all__),
    varco_banguard.api,
    varco_domains.api.routes,
    varco_filelink.api,
    varco_policy.api,
    varco_ratelimit.api.routes,
    varco_relay.api.queue,
    varco_relay.api.routes,
)


class Anything(SimpleNamespace):
    """Stands for what the routes use later, since only their declarations are looked at."""

    def __getattr__(self, name: str) -> "Anything":
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything()

    def __call__(self) -> "Anything":
        return Anything()


def _openapi(module) -> dict:
    app = FastAPI()
    parameters = signature(module.router).parameters.values()
    given = {p.name: Anything() for p in parameters if p.kind is p.KEYWORD_ONLY}
    router: APIRouter = module.router(*[Anything() for p in parameters if p.kind is not p.KEYWORD_ONLY], **given)
    app.include_router(router)
    return app.openapi()


def _unbounded(schema: object) -> Iterator[dict]:
    if isinstance(schema, dict):
        if schema.get("type") == "integer" and not {"maximum", "exclusiveMaximum", "enum"} & schema.keys():
            yield schema
        for value in schema.values():
            yield from _unbounded(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _unbounded(value)


@pytest.mark.parametrize("module", SERVICES, ids=lambda module: module.__name__)
def test_every_integer_parameter_has_a_maximum(module):
    paths = _openapi(module)["paths"]
    parameters = [
        (method, path, parameter["name"])
        for path, operations in paths.items()
        for method, operation in operations.items()
        for parameter in operation.get("parameters", [])
        if [*_unbounded(parameter)]
    ]
    assert paths
    assert not parameters


@pytest.mark.parametrize(
    "header", ["Mon, 01 Jan 99999999999 00:00:00 GMT", "99999999999", "Mon, 99 Jan 2026 99:99:99 +9999", "\0", ""]
)
def test_an_if_range_that_is_no_date_is_another_version(header):
    modified = datetime(2026, 11, 29, tzinfo=UTC)
    span = requested_range(10, "bytes=1-2", header, '"tag"', modified)
    assert span == (ByteRange(0, 10) if header else ByteRange(1, 3, partial=True))


async def test_a_time_that_overflows_is_answered_with_422():
    app = FastAPI()
    problems.install(app)

    @app.get("/{days}")
    async def later(days: int) -> str:
        raise OverflowError("date value out of range")

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
        answer = await http.get("/1")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
