from pathlib import Path

from varco_cli import reference

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def test_the_reference_says_what_the_commands_say() -> None:
    assert PAGE.read_text() == reference.text(), "python -m varco_cli.reference docs/cli.md"
