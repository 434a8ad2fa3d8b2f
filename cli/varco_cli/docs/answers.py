"""Generates docs/answers.md: every answer that an SMTP client can get to a mail."""

from varco_cli.docs.markdown import GENERATED, code, table
from varco_common.mail.replies import Reply

INTRODUCTION = """
# Answers

Every answer that a client can get to a mail, in the order of precedence: a permanent refusal outranks
a temporary one, and each outranks an acceptance. The text after the codes may be replaced by one that
says more, in the languages or the own words of the account ([texts.md](texts.md)); the codes never
change. The word is the name of the answer
in events and logs.
"""


def page() -> str:
    """Returns the whole page."""
    rows = [
        (code(reply.value), str(reply.answer.code), reply.answer.enhanced, reply.answer.text, _meaning(reply))
        for reply in Reply
    ]
    return f"{GENERATED}{INTRODUCTION}\n{table(('word', 'code', 'enhanced', 'text', 'the client'), rows)}"


def _meaning(reply: Reply) -> str:
    if reply.accepts:
        return "may forget the mail: it is kept"
    return "must not try again" if reply.permanent else "tries again later"
