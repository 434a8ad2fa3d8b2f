"""Prints results as tables: for a terminal, and as Markdown for docs/performance.md."""

import platform
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median

import msgspec
from rich.table import Table

from bench.measure import Result
from bench.workloads import WORKLOADS


class Machine(msgspec.Struct, kw_only=True):
    """What the figures depend on, without anything that identifies the machine."""

    processors: int
    model: str
    memory_gb: int
    kernel: str
    python: str


class Report(msgspec.Struct, kw_only=True):
    """One run of the bench, as --json writes it."""

    command: str
    date: str
    machine: Machine
    results: list[Result]


class Column(msgspec.Struct, frozen=True):
    """A column: its heading, how to get the figure, its decimals.

    The last field says whether the figure is divided by that of the base gate.
    """

    heading: str
    figure: Callable[[Result], float]
    decimals: int = 0
    ratio: bool = False


ACCEPTED = (
    Column("answered/s", lambda r: r.answered),
    Column("at the sink/s", lambda r: r.delivered, ratio=True),
)
REFUSED = (Column("refused/s", lambda r: r.answered, ratio=True),)
ALWAYS = (
    Column("CPU s/1,000", lambda r: r.cpu, 2, ratio=True),
    Column("p50 ms", lambda r: r.p50, 1),
    Column("p99 ms", lambda r: r.p99, 1),
    Column("peak MB", lambda r: r.memory),
)

Row = list[str]


def machine() -> Machine:
    facts = Path("/proc/cpuinfo").read_text()
    model = next((line.partition(":")[2].strip() for line in facts.splitlines() if line.startswith("model name")), "")
    kilobytes = int(Path("/proc/meminfo").read_text().split()[1])
    return Machine(
        processors=facts.count("processor\t:"),
        model=model,
        memory_gb=round(kilobytes / 1e6),
        kernel=platform.release().partition("-")[0],
        python=platform.python_version(),
    )


def tables(results: Iterable[Result]) -> Iterable[tuple[str, Row, list[Row]]]:
    """Returns for each workload its title, the headings, and a row for each gate.

    Figures are medians with the lowest and the highest.
    """
    of: dict[str, dict[str, list[Result]]] = {}
    for one in results:
        of.setdefault(one.workload, {}).setdefault(one.gate, []).append(one)
    for name, gates in of.items():
        workload = WORKLOADS[name]
        mails = next(iter(gates.values()))[0].mails
        columns = (REFUSED if workload.expects == "refused" else ACCEPTED) + ALWAYS
        headings = [
            "gate",
            *(h for c in columns for h in ([c.heading, "x"] if c.ratio else [c.heading])),
            "as expected",
        ]
        yield (
            f"{name}: {workload.text}; {mails:,} mails",
            headings,
            [_row(gate, rs, columns, gates.get(peer_of(gate), [])) for gate, rs in gates.items()],
        )


def peer_of(gate: str) -> str:
    """The Postfix that does the same job: it makes a copy of each mail if the gate does."""
    return "postfix-copy" if gate.endswith("-copy") else "postfix"


def summary(results: list[Result]) -> tuple[Row, list[Row]]:
    """Returns the headings and rows of the first table: each gate in units of its Postfix.

    Medians of all rounds; `-` where its Postfix took no part.
    """
    workloads = list(dict.fromkeys(one.workload for one in results))
    gates = [gate for gate in dict.fromkeys(one.gate for one in results) if not gate.startswith("postfix")]
    figures = {"mails/s": lambda one: one.delivered or one.answered, "CPU for each mail": lambda one: one.cpu}
    rows = [
        [f"{gate}: {what}, times {peer_of(gate)}", *(_times(results, gate, workload, figure) for workload in workloads)]
        for gate in gates
        for what, figure in figures.items()
    ]
    return ["", *workloads], rows


def _times(results: list[Result], gate: str, workload: str, figure: Callable[[Result], float]) -> str:
    ours, theirs = (
        [figure(one) for one in results if (one.gate, one.workload) == (name, workload)]
        for name in (gate, peer_of(gate))
    )
    return f"{median(ours) / median(theirs):.2f}" if ours and theirs and median(theirs) else "-"


def _row(gate: str, results: list[Result], columns: tuple[Column, ...], base: list[Result]) -> Row:
    row = [gate]
    for column in columns:
        figures = [column.figure(one) for one in results]
        row.append(_spread(figures, column.decimals))
        if column.ratio:
            ours, theirs = median(figures), median(map(column.figure, base)) if base else 0.0
            row.append(f"{ours / theirs:.2f}" if theirs else "-")
    return [*row, f"{sum(one.ok for one in results)}/{len(results)}"]


def _spread(figures: list[float], decimals: int) -> str:
    middle, least, most = (f"{n:,.{decimals}f}" for n in (median(figures), min(figures), max(figures)))
    return middle if len(figures) == 1 else f"{middle} ({least}-{most})"


def rich_tables(results: list[Result]) -> Iterable[Table]:
    for title, headings, rows in [("In units of Postfix", *summary(results)), *tables(results)]:
        table = Table(title=title, title_justify="left", title_style="bold")
        for number, heading in enumerate(headings):
            table.add_column(heading, justify="right" if number else "left", no_wrap=True)
        for row in rows:
            table.add_row(*(cell.replace(" (", "\n(") for cell in row))
        yield table


def markdown(report: Report) -> str:
    """Returns the tables as Markdown, with the command and the machine."""
    facts = report.machine
    how = f"`{report.command}`,\n{report.date}. Medians of {rounds(report.results)} rounds (least-most)."
    where = f"{facts.processors} processors ({facts.model}), {facts.memory_gb} GB, Linux {facts.kernel}, Python {facts.python}."
    lines = [how, where]
    for title, headings, rows in [("In units of Postfix", *summary(report.results)), *tables(report.results)]:
        lines += ["", f"### {title}", "", _line(headings), _line(["---", *["---:"] * (len(headings) - 1)])]
        lines += map(_line, rows)
    return "\n".join(lines) + "\n"


def rounds(results: list[Result]) -> int:
    return 1 + max((one.round for one in results), default=0)


def _line(cells: Row) -> str:
    return "| " + " | ".join(cells) + " |"
