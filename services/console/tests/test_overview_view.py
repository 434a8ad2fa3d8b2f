"""The overview says what the services said, and nothing where they said nothing."""

from datetime import UTC, datetime, timedelta

from varco_console.html_pages.overview.metric_lines import metric_values
from varco_console.html_pages.overview.view import OverviewAnswers, duration, hourly_mails, overview
from varco_console.web.charts import stacked_bars

NOW = datetime(2026, 11, 29, 12, 30, tzinfo=UTC)
NOTHING = OverviewAnswers({}, {}, None, None, None, None, None, None)


def line(hour: datetime, **more: object) -> dict:
    counts = dict.fromkeys(("delivered", "bounced", "expired", "dropped", "in_flight", "unaccounted"), 0)
    return {"hour": hour.isoformat(), "kind": "mail", **counts, **more}


def test_services_that_do_not_answer_are_left_out():
    view = overview(NOTHING, NOW)
    assert (view.services, view.figures, view.refusals, view.mails.total) == ((), (), (), 0)


def test_a_check_that_fails_is_named():
    checks = {"bus": {"ok": True}, "store": {"ok": False, "why": "the disk is full"}}
    health = {"relay": {"state": "degraded", "checks": checks}, "audit": None}
    view = overview(NOTHING._replace(health=health), NOW)
    assert view.services[0][1:] == ("degraded", ("store: the disk is full",))
    assert view.services[1].state == "away"
    assert not view.all_well


def test_mails_are_counted_by_hour_and_outcome_of_the_last_day():
    lines = [
        line(NOW.replace(minute=0), delivered=3, in_flight=1),
        line(NOW.replace(minute=0), delivered=2, kind="copy"),
        line(NOW.replace(minute=0) - timedelta(hours=23), expired=5),
        line(NOW.replace(minute=0) - timedelta(hours=24), delivered=100),
    ]
    mails = hourly_mails(lines, NOW)
    assert (mails.outcomes["delivered"][-1], mails.outcomes["waiting"][-1], mails.outcomes["bounced"][0]) == (3, 1, 5)
    assert mails.total == 9


def test_refusals_are_counted_by_reason():
    view = overview(NOTHING._replace(refused={"too-big": 2, "quota-exceeded": 1}), NOW)
    assert view.refusals == (("too-big", 2), ("quota-exceeded", 1))


def test_what_needs_an_operator_is_marked():
    end = NOW + timedelta(days=3)
    metrics = {
        "varco_bus_lag_seconds": [0.0, 120.0],
        "varco_disk_free_bytes": [5e9],
        "varco_disk_total_bytes": [100e9],
        "varco_tls_certificate_end_timestamp_seconds": [end.timestamp()],
    }
    figures = {figure.name: figure for figure in overview(NOTHING._replace(metrics=metrics), NOW).figures}
    assert {name: figure.tone for name, figure in figures.items()} == {
        "lag": "warn",
        "disk": "warn",
        "certificates": "warn",
    }
    assert figures["disk"].value == "5.0 GB (5%)"


def test_metrics_of_all_services_are_read():
    text = 'varco_bus_lag_seconds{service="relay",stream="MAIL"} 1.5\nvarco_disk_free_bytes 7.5e+09\nvarco_other 3\n'
    found = metric_values([text, "varco_bus_lag_seconds 2.0\n"])
    assert found == {"varco_bus_lag_seconds": [1.5, 2.0], "varco_disk_free_bytes": [7.5e9]}


def test_ages_are_in_the_largest_unit():
    assert [duration(seconds) for seconds in (0, 45, 600, 7_300, 300_000)] == ["0 s", "45 s", "10 min", "2 h", "3 d"]


def test_a_chart_has_no_script_and_no_style_and_escapes_its_names():
    chart = stacked_bars("all", ["00:00", "06:00"], {"<script>": [1, 2]})
    assert "<style" not in chart
    assert "style=" not in chart
    assert "<script" not in chart
    assert 'role="img"' in chart
