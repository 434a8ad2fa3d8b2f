"""The metric of each check is that of the checks of now."""

import asyncio

from varco_common.runtime.readiness import CHECK_OK, Readiness


def checks_of(service: str) -> dict[str, float]:
    [family] = CHECK_OK.collect()
    return {sample.labels["check"]: sample.value for sample in family.samples if sample.labels["service"] == service}


async def test_a_check_that_ended_with_the_start_is_no_failed_check() -> None:
    readiness = Readiness("example-of-a-start", asyncio.Event())
    await readiness.measure()
    assert checks_of("example-of-a-start") == {"start": 0}
    readiness.checks = {"bus": lambda: None}
    await readiness.measure()
    assert checks_of("example-of-a-start") == {"bus": 1}


async def test_a_start_that_ends_while_it_is_measured_leaves_no_failed_check() -> None:
    readiness = Readiness("example-of-a-race", asyncio.Event())

    async def slow() -> None:
        readiness.checks = {"bus": lambda: None}

    readiness.checks["slow"] = slow
    await readiness.measure()
    assert checks_of("example-of-a-race") == {}
