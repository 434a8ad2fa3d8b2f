"""Calls a service's HTTP API with requests that its OpenAPI description allows, and others."""

from collections.abc import Callable
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]
ANY = r"^/"
EXAMPLES = 8
COSTLY = {"POST /rebuild": 2}  # each starts a process; its one parameter is true or false


def call_everything(
    base: str, token: str, *, paths: str = ANY, adapt: Callable[[Any], None] | None = None
) -> list[str]:
    """Calls each operation of these paths with generated requests; returns the operations' names.

    `adapt` may change a request. Raises at the first 5xx, or answer that the description forbids.
    """
    schema = schemathesis.openapi.from_url(f"{base}/openapi.json").include(path_regex=paths)
    called = []
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        called.append(operation.label)

        @settings(
            max_examples=COSTLY.get(operation.label, EXAMPLES),
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def call(case: Any) -> None:
            if adapt:
                adapt(case)
            case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, checks=CHECKS, timeout=60)

        call()
    return called


def of_account(name: str, *spared: str) -> Callable[[Any], None]:
    """For `adapt`: sets the account in paths to this one, except for the operations `spared`."""

    def adapt(case: Any) -> None:
        if "account" in case.path_parameters and case.operation.label not in spared:
            case.path_parameters["account"] = name

    return adapt
