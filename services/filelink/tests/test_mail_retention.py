"""What filelink says that it still needs of MAIL."""

from varco_common.storage import retention
from varco_common.storage.retention import RetentionAnswer, RetentionQuery
from varco_common.testing.waiting import eventually

from . import layouts


async def test_a_mail_is_needed_until_it_is_converted(gate, filelink):
    async def ask(*sequences: int, kind: str = "convert") -> RetentionAnswer:
        question = RetentionQuery(subject=f"mail.{kind}.acme", sequences=sequences)
        return await retention.ask(gate.bus, "filelink", question, 30)

    assert (await ask(1)).needed == (1,)
    assert (await ask(1, kind="accepted")).needed == ()
    mail = await gate.accept(layouts.GMAIL)
    assert len(await eventually(lambda: gate.converted(mail))) == 1

    async def done() -> bool:
        return (await ask(1, 3)).needed == (3,)

    await eventually(done)
