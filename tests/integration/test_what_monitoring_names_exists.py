"""monitoring/ names only metrics, label values, commands and files of a running gate."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.conftest import Hop
from tests.integration.gate import Gate, mail, transact, wait_for

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "monitoring" / "grafana" / "varco.json"
PROMETHEUS = ROOT / "monitoring" / "prometheus"
OURS = re.compile(r"\b(?:varco|process)_[a-z0-9_]+")


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return found


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> Iterator[str]:
    for panel in dashboard()["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (rule["expr"] for rule in alerts())


def named() -> set[str]:
    return {name for expression in expressions() for name in OURS.findall(expression)}


@pytest.fixture(scope="session")
def samples(gate: Gate, hop: Hop) -> dict[str, set[str]]:
    """Returns label names by metric, from a gate that has seen some traffic."""
    with gate.smtp() as client:
        assert transact(client, "alice@acme.test", ["ok@dest.test"], mail("alice@acme.test"))[0] == 250
        assert transact(client, "eve@evil.test", ["ok@dest.test"], mail("eve@evil.test"))[0] == 550
    hop.mail_for("ok@dest.test")
    found: dict[str, set[str]] = {}
    for url in gate.apis().values():
        for family in text_string_to_metric_families(httpx.get(f"{url}/metrics", timeout=10).text):
            names = {family.name, *(f"{family.name}_total" for _ in [0] if family.type == "counter")}
            for name in names:
                found.setdefault(name, set())
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_every_metric_that_is_named_exists(samples: dict[str, set[str]]):
    assert sorted(named() - samples.keys()) == []


def test_every_label_that_is_grouped_by_exists(samples: dict[str, set[str]]):
    given = {"instance", "job", "service"}  # Prometheus and the targets bring these
    known = given.union(*samples.values())
    grouped = {
        label.strip() for text in expressions() for by in re.findall(r"by \(([^)]*)\)", text) for label in by.split(",")
    }
    assert sorted(grouped - known) == []


def test_the_lag_of_every_service_is_shown(gate: Gate):
    services = gate.apis()
    wait_for(
        lambda: (
            {name for name, url in services.items() if "varco_bus_lag_records{" in httpx.get(f"{url}/metrics").text}
            == {*services}
        )
    )


def test_the_certificate_s_end_is_shown_by_both_who_use_it(gate: Gate):
    for service in ("ingress-smtp", "archive"):
        assert (
            'certificate_end_timestamp_seconds{name="localhost"}' in httpx.get(f"{gate.apis()[service]}/metrics").text
        )


def test_prometheus_finds_an_embedded_gate_by_its_file(gate: Gate):
    """Services that share a process share its metrics: it is one target that tells of them all."""
    targets = json.loads(gate.home.targets.read_text())
    processes = [process for process in gate.json("status")["processes"] if process not in ("forkserver", "nats")]
    assert sorted(one["labels"]["service"] for one in targets) == sorted(processes)
    texts = [httpx.get(f"http://{one['targets'][0]}/metrics", timeout=30).text for one in targets]
    told = re.findall(r'^varco_check_ok\{check="bus",service="([a-z-]+)"\} 1\.0$', "\n".join(texts), re.MULTILINE)
    assert sorted(told) == sorted(gate.apis())


def test_every_panel_of_the_dashboard_has_a_query_a_place_and_words():
    board = dashboard()
    assert (board["uid"], board["title"]) == ("varco", "Varco")
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert len(panels) > 20
    for panel in panels:
        assert panel["title"], panel["id"]
        assert panel["description"], panel["title"]
        assert all(target["expr"] and target["legendFormat"] for target in panel["targets"]), panel["title"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_every_alert_has_a_runbook_and_names_commands_that_exist():
    commands = set(re.findall(r"^## (varco .*?)(?= [A-Z\[]|$)", (ROOT / "docs" / "cli.md").read_text(), re.MULTILINE))
    names = [rule["alert"] for rule in alerts()]
    assert len(set(names)) == len(names)
    for rule in alerts():
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        texts = rule["annotations"]
        assert texts["summary"]
        assert len(texts["runbook"]) > 80
        for command in re.findall(r"`(varco [a-z ]*[a-z])", texts["runbook"]):
            assert any(known == command or known.startswith(f"{command} ") for known in commands), command


@pytest.mark.parametrize(
    "to",
    [
        "",
        "https://hooks.slack.com/services/T/B/x",
        "slack+https://chat.acme.example/hooks/x",
        "https://alerts.example/hook",
        "ops@acme.example",
    ],
)
def test_amtool_takes_what_each_kind_of_receiver_is_written_as(to: str, tmp_path: Path) -> None:
    written = alertmanager(tmp_path, VARCO_ALERT_TO=to, VARCO_ALERT_SMARTHOST="smtp.provider.example:587")
    receivers = yaml.safe_load(written.read_text())["receivers"]
    assert to.removeprefix("slack+") in str(receivers)
    if not (amtool := shutil.which("amtool")):
        pytest.skip("amtool is not installed here (Debian: package prometheus-alertmanager)")
    done = subprocess.run([amtool, "check-config", str(written)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("to", "smarthost"), [("pager", "smtp.provider.example:587"), ("ops@acme.example", "")])
def test_a_receiver_that_cannot_be_reached_ends_the_start(to: str, smarthost: str, tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        alertmanager(tmp_path, VARCO_ALERT_TO=to, VARCO_ALERT_SMARTHOST=smarthost)
    assert f"VARCO_ALERT_TO={to}" in failed.value.stderr


def alertmanager(folder: Path, **variables: str) -> Path:
    """Writes Alertmanager's configuration as its container does."""
    file = folder / "alertmanager.yml"
    environment = {"PATH": os.environ["PATH"], "VARCO_HOSTNAME": "smtp.acme.example", **variables}
    command = ["sh", str(ROOT / "monitoring" / "alertmanager" / "start.sh"), str(file)]
    subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return file


def test_promtool_takes_the_rules_and_the_configuration():
    if not (promtool := shutil.which("promtool")):
        pytest.skip("promtool is not installed here (Debian: package prometheus)")
    for arguments in (["check", "rules", "alerts.yml"], ["check", "config", "prometheus.yml", "compose.yml"]):
        done = subprocess.run([promtool, *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
