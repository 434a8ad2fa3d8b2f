"""A broken setting is named and ends the start; a retired one is named and ignored."""

from datetime import timedelta

import pytest

from varco_audit.settings import Settings
from varco_common.base.settings import BrokenSetting, load


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VARCO_AUDIT_ERASE_AFTER", "soon"),
        ("VARCO_AUDIT_KEEPER", "relay"),
    ],
)
def test_a_wrong_value_or_name_is_refused(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(BrokenSetting, match=f"^{name}=.*: expected"):
        load(Settings)


def test_a_variable_of_the_version_before_is_ignored_and_named(monkeypatch, capsys):
    monkeypatch.setenv("VARCO_AUDIT_SWEEP", "1s")
    assert load(Settings).erase_after == timedelta(minutes=10)
    assert "VARCO_AUDIT_SWEEP is no longer a setting" in capsys.readouterr().err


def test_the_key_lies_in_the_home_unless_it_is_named(tmp_path):
    assert Settings(home=tmp_path).signing_key_path == tmp_path / "secrets" / "audit-signing.key"
    assert Settings(home=tmp_path, signing_key_file=tmp_path / "key").signing_key_path == tmp_path / "key"
