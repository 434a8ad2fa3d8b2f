"""`make check`: what would end a start is named before anything is replaced."""

import json

import pytest

from tests.compose.deployment import Deployment


def test_a_right_gate_passes_while_it_holds_its_own_ports(gate: Deployment) -> None:
    lines = gate.script("check.sh").splitlines()
    assert [line for line in lines if not line.startswith("warning: ")] == []
    assert "VARCO_HOSTNAME=localhost is no name that other servers can know" in lines[0]


def test_programs_get_one_document(gate: Deployment) -> None:
    assert json.loads(gate.script("check.sh", "--json"))["ok"]


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("VARCO_NATS_MAIL_DAYS=3", "VARCO_NATS_MAIL_DAYS=3: expected more than 5"),
        ("VARCO_SMPT_PORT=25", "VARCO_SMPT_PORT is no setting: did you mean VARCO_SMTP_PORT?"),
    ],
)
def test_a_wrong_line_of_env_is_named(gate: Deployment, line: str, named: str) -> None:
    right = gate.env_file.read_text()
    gate.env_file.write_text(f"{right}{line}\n")
    number = len(right.splitlines()) + 1
    try:
        with pytest.raises(AssertionError, match=f".env:{number}: ") as failed:
            gate.script("check.sh")
    finally:
        gate.env_file.write_text(right)
    assert named in str(failed.value)


def test_a_password_that_the_database_does_not_take_is_named(gate: Deployment) -> None:
    file = gate.home / "secrets" / "postgres.password"
    right = file.read_text()
    file.write_text("wrong")
    try:
        with pytest.raises(AssertionError, match='password authentication failed for user "postgres"'):
            gate.script("check.sh")
    finally:
        file.write_text(right)
