import pytest

from bench.document import PAGE, PARTS, replaced

PAGE_TEXT = (
    "before\n<!-- measured: gates -->\nold\n<!-- end -->\nand\n<!-- measured: profile -->\nkept\n<!-- end -->\nafter\n"
)


def test_only_what_stands_between_its_marks_is_replaced() -> None:
    assert replaced(PAGE_TEXT, "gates", "new \\1") == PAGE_TEXT.replace("old\n", "\nnew \\1\n\n")


def test_a_page_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="peers"):
        replaced(PAGE_TEXT, "peers", "new")


@pytest.mark.parametrize("part", PARTS)
def test_the_page_has_a_place_for_each_part(part: str) -> None:
    assert "measured anew" in replaced(PAGE.read_text(), part, "measured anew")
