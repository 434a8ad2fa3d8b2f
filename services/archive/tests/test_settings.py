"""A wrong setting ends the start with a line that names it; a retired one only warns."""

import pytest

from varco_archive.settings import Settings
from varco_common.base.settings import BrokenSetting, load


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("VARCO_HOSTNAME", "a_b", "a host name"),
        ("VARCO_ARCHIVE_RETURN_PATH", "copies", "no mail address"),
        ("VARCO_POP3_PORT", "70000", "65535"),
        ("VARCO_NATS_MAIL_DAYS", "0", "more than"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch, variable, value, expected):
    monkeypatch.setenv(variable, value)
    with pytest.raises(BrokenSetting, match=variable) as failure:
        load(Settings)
    assert expected in str(failure.value)


def test_a_setting_of_an_earlier_version_is_ignored_with_a_warning(monkeypatch, capsys):
    for variable in Settings.retired:
        monkeypatch.setenv(variable, "1")
    load(Settings)
    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) == len(Settings.retired) == 13
    assert "VARCO_ARCHIVE_SWEEP is no longer a setting and is ignored: remove it" in warnings
