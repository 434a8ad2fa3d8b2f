"""The demo's rows, one module a service or a subject, each with ROWS.

A later service adds its module to MODULES.
"""

from varco_cli.demo.demo_gate import DemoRow
from varco_cli.demo.rows import archive, attachments, bans, envelope, links, login, quota, structure

MODULES = (envelope, archive, attachments, links, structure, login, quota, bans)
ROWS: tuple[DemoRow, ...] = tuple(row for module in MODULES for row in module.ROWS)
