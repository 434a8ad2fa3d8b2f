"""`varco replay rebuild`: the services that have tables."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SERVICES = Path(__file__).parents[2] / "services"


@pytest.mark.parametrize("service", sorted(entry.name for entry in SERVICES.iterdir() if entry.is_dir()))
def test_a_service_without_tables_is_said_to_have_none(service: str, varco: Callable[..., Any], tmp_path: Path) -> None:
    ended = varco("replay", "rebuild", service, home=tmp_path)
    tables = any((SERVICES / service).glob("varco_*/rebuild.py"))
    assert ("has no tables" in ended.error) == (not tables)
    assert ended.code == (3 if tables else 1)  # 3: no stack runs here
