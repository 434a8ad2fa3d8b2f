"""One rebuild in a process of its own: `python -m varco_common.eventsourcing.rebuild <module>`, told the rest on standard input.

The module offers SETTINGS, the class of the service's settings, and PROJECTIONS. Frames go to standard output, a line each.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import uvloop

from varco_common.base import child_process, log
from varco_common.bus import Bus
from varco_common.eventsourcing.rebuild.frames import AnyRebuildFrame, RebuildFailed, RebuildStart, line
from varco_common.eventsourcing.rebuild.rebuild import Job, rebuild

_log = log.get(__name__)


def main() -> None:
    """Exit codes: 0 told to the end, 1 it failed and said why."""
    start = child_process.begin(RebuildStart)
    module = import_module(sys.argv[1])
    settings = module.SETTINGS(**start.settings)
    log.configure(settings.log_level)
    uvloop.run(_carry_out(start, module, settings))


def _say(frame: AnyRebuildFrame) -> None:
    sys.stdout.buffer.write(line(frame))
    sys.stdout.buffer.flush()


async def _carry_out(start: RebuildStart, module: ModuleType, settings: Any) -> None:
    job = Job(
        service=start.service,
        package=module.__name__.partition(".")[0],
        url=settings.database_of(start.service),
        projections=module.PROJECTIONS,
    )
    try:
        async with Bus.connect(settings.bus, start.service) as bus:
            await rebuild(job, bus, _say, swap=start.swap)
    except Exception as error:  # noqa: BLE001 - whatever it is, whoever asked hears of it
        _log.exception("a rebuild failed")
        _say(RebuildFailed(why=f"the rebuild failed: {error!r}"))
        sys.exit(1)


if __name__ == "__main__":
    main()
