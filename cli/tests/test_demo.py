"""The demo, as `make demo` runs it."""

from varco_cli.demo import run
from varco_cli.demo.rows import ROWS


async def test_every_mail_of_the_demo_gets_the_answer_that_it_should() -> None:
    outcomes, story, balance = await run.run()
    run.check(outcomes)
    assert len(outcomes) == len(ROWS)
    went = {entry.row.title: entry.went for entry in outcomes if entry.answer.taken}
    assert "still waits" not in went.values()
    assert [place for place in went.values() if "black hole" in place] == ["the black hole (300 recipients)"]
    assert balance["unaccounted"] == []
    assert all(line["balanced"] and not line["in_flight"] for line in balance["lines"])
    assert {"attachment-linked", "mail-recorded", "mail-delivered"} <= {step["fact"] for step in story["steps"]}
