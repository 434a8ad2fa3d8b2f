"""Services are grouped by what a mail needs; each runs in exactly one process."""

from typing import get_args

import pytest

from varco_cli.stack.installed import ServiceDescription, installed_services
from varco_cli.stack.process_groups import Processes, grouped


def names(services: list[ServiceDescription], processes: Processes) -> dict[str, list[str]]:
    return {process: [one.name for one in members] for process, members in grouped(services, processes).items()}


@pytest.fixture(scope="module")
def services() -> list[ServiceDescription]:
    return installed_services(everywhere=True)


@pytest.mark.parametrize("processes", get_args(Processes))
def test_each_service_runs_in_one_process(services: list[ServiceDescription], processes: Processes) -> None:
    placed = [service for members in grouped(services, processes).values() for service in members]
    assert sorted(placed, key=lambda one: one.name) == services


def test_voters_share_a_process_with_nothing_else(services: list[ServiceDescription]) -> None:
    voters = [service.name for service in services if "voter" in service.role and service.name != "filelink"]
    assert names(services, "groups")["voters"] == voters


def test_nothing_shares_a_process_with_what_reads_the_mail_of_strangers(services: list[ServiceDescription]) -> None:
    [front] = [service.name for service in services if "front door" in service.role]
    for name in (front, "filelink", "relay"):
        assert names(services, "groups")[name] == [name]


def test_a_service_that_varco_does_not_know_has_a_process_of_its_own() -> None:
    stranger = ServiceDescription(name="scanner", role=("worker",), publishes=(), subscribes=(), ports=())
    assert names([stranger], "groups") == {"scanner": ["scanner"]}


def test_each_has_a_process_for_each_service_and_one_has_one(services: list[ServiceDescription]) -> None:
    assert names(services, "each") == {service.name: [service.name] for service in services}
    assert [*grouped(services, "one")] == ["services"]
