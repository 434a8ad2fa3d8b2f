"""What the API of events and traces does with whatever its OpenAPI description allows, and with what it doesn't."""

import asyncio

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]
PATHS = r"^/(events|events/\{sequence\}|index|traces/.*)$"  # what is followed has no end


def call_everything(base: str, token: str) -> list[str]:
    """Calls each operation with some generated requests; raises at the first broken promise."""
    schema = schemathesis.openapi.from_url(f"{base}/openapi.json").include(path_regex=PATHS)
    called = []
    for found in schema.get_all_operations():
        operation = found.ok()
        called.append(operation.label)

        @settings(
            max_examples=8,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def call(case):
            case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, checks=CHECKS, timeout=20)

        call()
    return called


async def test_no_request_makes_an_error_of_ours(gate):
    await gate.mail()
    async with gate.audit():
        called = await asyncio.to_thread(call_everything, gate.base, gate.token())
    assert len(called) == 4
