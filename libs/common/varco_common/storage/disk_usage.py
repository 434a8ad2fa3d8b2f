"""Free space on the disk and in the streams, measured when Prometheus asks."""

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
    """Sets the gauges. While the bus is away they keep their last values, and BUS_UP is 0."""
    with suppress(OSError):  # the directory does not exist yet
        disk = shutil.disk_usage(home)
        FREE.set(disk.free)
        TOTAL.set(disk.total)
    try:
        usage = await bus.admin.usage()
    except TransientError:
        BUS_UP.set(0)
        return
    BUS_UP.set(1)
    for stream in usage:
        RECORDS.labels(stream.stream).set(stream.records)
        HELD.labels(stream.stream).set(stream.held)
        LIMIT.labels(stream.stream).set(stream.limit if stream.limit >= 0 else float("inf"))
        LAST.labels(stream.stream).set(stream.last)
