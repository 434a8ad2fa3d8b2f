"""The revisions that are read from the text of migrations are those that alembic applies."""

import pytest
from alembic.script import ScriptDirectory

from varco_cli.stack.installed import ServiceDescription, installed_services
from varco_common.storage.database import revisions
from varco_common.storage.database.migration import _config


@pytest.mark.parametrize(
    "service", [service for service in installed_services(everywhere=True) if service.tables], ids=lambda one: one.name
)
def test_revisions_are_those_of_alembic(service: ServiceDescription) -> None:
    package = f"varco_{service.name}"
    scripts = ScriptDirectory.from_config(_config(package)).walk_revisions()
    assert revisions(package) == tuple(script.revision for script in scripts)
