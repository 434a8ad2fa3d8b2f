"""The demo's rows, one module a service or a subject, each with ROWS. A later service adds its module to MODULES."""

from varco_cli.demo.rows import archive, attachments, bans, envelope, links, login, quota, structure
from varco_cli.demo.scene import Row

MODULES = (envelope, archive, attachments, links, structure, login, quota, bans)
ROWS: tuple[Row, ...] = tuple(row for module in MODULES for row in module.ROWS)
