"""One rebuild in a separate process: `python -m varco_common.eventsourcing.rebuild <module>`.

The module is the service's rebuild.py. It offers SETTINGS, the class of the service's settings, and
PROJECTIONS. Standard input has the rest (RebuildStart); standard output gets the frames, one a
line.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import uvloop

from varco_common.base import child_process, log
from varco_common.base.imports import without_collector
from varco_common.bus import Bus
from varco_common.eventsourcing.rebuild.frames import AnyRebuildFrame, RebuildFailed, RebuildStart, line
from varco_common.eventsourcing.rebuild.rebuild import RebuildJob, rebuild

_log = log.get(__name__)


def main() -> None:
    """Exit codes: 0 the rebuild ended; 1 it failed, and the last frame says why."""
    start = child_process.begin(RebuildStart)
    with without_collector():
        module = import_module(sys.argv[1])
    settings = module.SETTINGS(**start.settings)
    log.configure(settings.log_level)
    uvloop.run(_rebuild(start, module, settings))


def _write_frame(frame: AnyRebuildFrame) -> None:
    sys.stdout.buffer.write(line(frame))
    sys.stdout.buffer.flush()


async def _rebuild(start: RebuildStart, module: ModuleType, settings: Any) -> None:
    job = RebuildJob(
        service=start.service,
        package=module.__name__.partition(".")[0],
        url=settings.database_of(start.service),
        projections=module.PROJECTIONS,
    )
    try:
        async with Bus.connect(settings.bus, start.service) as bus:
            await rebuild(job, bus, _write_frame, swap=start.swap)
    except Exception as error:  # noqa: BLE001 - the asker gets every error
        _log.exception("a rebuild failed")
        _write_frame(RebuildFailed(why=f"the rebuild failed: {error!r}"))
        sys.exit(1)


if __name__ == "__main__":
    main()
