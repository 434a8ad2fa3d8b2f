"""Tables fit the terminal, and no id, address or link is broken."""

import pytest

from varco_cli import output, table_layout

MAIL = "06eqkv3g8w3x5m7n2p4q"
LINK = "https://files.acme.example/" + "e1eb3665a1a0766ea65616b6210cfd538c4950f8/report.pdf"
HEAD = ("mail", "sender", "answer")
ROW = (MAIL, "alice@acme.example", "451 4.3.0 the next hop has no room for this mail, it says; try again later")


def text(table: list[tuple[str, ...]], width: int | None) -> list[str]:
    laid_out = table_layout.layout(table, width)
    assert laid_out
    return [table_layout.GAP.join(parts).rstrip() for row in laid_out for parts in row]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_wide_table_wraps_its_sentences_and_no_word(width: int) -> None:
    lines = text([HEAD, ROW], width)
    assert max(map(len, lines)) <= width
    assert {word for cell in ROW for word in cell.split()} <= {word for line in lines for word in line.split()}


def test_without_a_width_each_row_is_one_line() -> None:
    assert text([HEAD, ROW], None)[1:] == ["  ".join(ROW)]


def test_a_table_that_cannot_fit_becomes_lines_of_fields(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    output.table(("mail", "link"), [(MAIL, LINK), (MAIL, LINK)])
    record = [f"mail  {MAIL}", f"link  {LINK}"]
    assert capsys.readouterr().out.splitlines() == [*record, "", *record]


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1_000, "1.0 kB"),
        (7_400_000, "7.4 MB"),
        (999_600, "1.0 MB"),
        (120_000_000_000, "120 GB"),
    ],
)
def test_sizes_are_as_people_write_them(size: int, shown: str) -> None:
    assert output.human_size(size) == shown
