"""Room on the disk and in the streams, measured when Prometheus asks."""

import shutil
from contextlib import suppress
from pathlib import Path

from prometheus_client import Gauge

from varco_common.base.errors import TransientError
from varco_common.bus import Bus

BUS_UP = Gauge("varco_bus_up", "1 while the streams can be asked what they hold")
RECORDS = Gauge("varco_bus_stream_records", "Records in a stream", ["stream"])
HELD = Gauge("varco_bus_stream_bytes", "Bytes that a stream holds", ["stream"])
LIMIT = Gauge("varco_bus_stream_limit_bytes", "Bytes that a stream may hold; +Inf where nothing limits it", ["stream"])
LAST = Gauge("varco_bus_stream_last_sequence", "The newest sequence of a stream", ["stream"])
FREE = Gauge("varco_disk_free_bytes", "Bytes that are free on the disk of VARCO_HOME")
TOTAL = Gauge("varco_disk_total_bytes", "Bytes of the disk of VARCO_HOME")


async def measure(bus: Bus, home: Path) -> None:
    """Sets the gauges. A bus that is away leaves the last figures, and says so."""
    with suppress(OSError):  # not made yet
        disk = shutil.disk_usage(home)
        FREE.set(disk.free)
        TOTAL.set(disk.total)
    try:
        held = await bus.admin.usage()
    except TransientError:
        BUS_UP.set(0)
        return
    BUS_UP.set(1)
    for one in held:
        RECORDS.labels(one.stream).set(one.records)
        HELD.labels(one.stream).set(one.held)
        LIMIT.labels(one.stream).set(one.limit if one.limit >= 0 else float("inf"))
        LAST.labels(one.stream).set(one.last)
