"""Charts as SVG in the page (pygal). The style sheet has the colours, also those of dark mode."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from markupsafe import Markup

_LEFT_OUT = ("defs", "desc", "title")  # styles, a script, and what its tooltips need


def stacked_bars(label: str, names: Sequence[str], series: Mapping[str, Sequence[int]]) -> Markup:
    """`names` are those of the bars. `label` says what the chart shows to who can't see it."""
    chart = _pygal().StackedBar(
        width=720,
        height=240,
        js=(),
        margin=6,
        legend_at_bottom=True,
        legend_at_bottom_columns=4,
        truncate_label=-1,
        x_labels_major_every=6,
    )
    chart.x_labels, chart.show_minor_x_labels = names, False
    for name, numbers in series.items():
        chart.add(name, numbers)
    tree = chart.render_tree()
    _strip(tree)
    tree.attrib.pop("id", None)
    tree.attrib |= {"role": "img", "aria-label": label, "class": "chart"}
    ET.register_namespace("", "http://www.w3.org/2000/svg")
    return Markup(ET.tostring(tree, encoding="unicode"))  # noqa: S704 - pygal has escaped the names


def _pygal() -> Any:
    import pygal  # noqa: PLC0415 - large, and only charts need it

    # its finder of plug-ins has an old form, about which Python warns at each later import
    sys.meta_path[:] = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]
    return pygal


def _strip(element: ET.Element) -> None:
    """Takes out what the policy of the page forbids, and what only pygal's script uses."""
    for child in [*element]:
        if not isinstance(child.tag, str) or child.tag.rpartition("}")[2] in _LEFT_OUT or "style" in child.attrib:
            element.remove(child)
        else:
            child.attrib.pop("id", None)
            _strip(child)
