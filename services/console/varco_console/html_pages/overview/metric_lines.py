"""The few metrics that the overview shows, from the text of /metrics. Pure."""

import re
from collections import defaultdict
from collections.abc import Iterable

SHOWN = (
    "varco_bus_lag_seconds",
    "varco_disk_free_bytes",
    "varco_disk_total_bytes",
    "varco_tls_certificate_end_timestamp_seconds",
)
_LINE = re.compile(rf"^({'|'.join(SHOWN)})(?:\{{[^\n]*\}})? (\S+)$", re.MULTILINE)


def metric_values(texts: Iterable[str]) -> dict[str, list[float]]:
    """All values of each metric, over all services and labels."""
    values: dict[str, list[float]] = defaultdict(list)
    for text in texts:
        for name, value in _LINE.findall(text):
            values[name].append(float(value))
    return dict(values)
