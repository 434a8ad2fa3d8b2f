"""The rows of the demo. Each module has its ROWS and is listed in MODULES."""

from varco_cli.demo.demo_gate import DemoRow
from varco_cli.demo.rows import archive, attachments, bans, envelope, links, login, quota, routes, structure, token

MODULES = (envelope, archive, attachments, links, structure, login, quota, routes, token, bans)
ROWS: tuple[DemoRow, ...] = tuple(row for module in MODULES for row in module.ROWS)
