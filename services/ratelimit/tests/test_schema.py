"""What the API does with whatever its OpenAPI description allows, and with what it doesn't."""

import asyncio

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]


def call_everything(base: str, token: str) -> list[str]:
    """Calls each operation with some generated requests, on an account that is there; raises at the first broken promise."""
    schema = schemathesis.openapi.from_url(f"{base}/openapi.json")
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
            if "account" in case.path_parameters:
                case.path_parameters["account"] = "acme"
            case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, checks=CHECKS, timeout=10)

        call()
    return called


async def test_no_request_makes_an_error_of_ours(gate):
    await gate.quotas(messages=3)
    called = await asyncio.to_thread(call_everything, gate.base, gate.keyring.mint_admin()[1])
    assert len(called) == 7
