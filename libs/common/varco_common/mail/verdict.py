"""The verdict: one pure function from the votes to the answer. A yes is only ever a vote that was cast."""

from collections.abc import Sequence

import msgspec

from varco_common.mail.ballot import Vote
from varco_common.mail.replies import Reply


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a mail: the deciding reply, its text for the client, and the parts to convert."""

    reply: Reply
    text: str = ""
    convert: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        return self.reply.accepts


def verdict(votes: Sequence[Vote], required: Sequence[str]) -> Verdict:
    """Folds the votes into an answer.

    A permanent refusal outranks a temporary one, and a refusal outranks a silence; among equals the order of `required`
    decides. A voter that is missing, or voted twice, makes `SERVICE_MISSING`; so does a yes that counts on links which nobody
    will make, as while the voters follow a change of an account. `required` must not be empty.
    """
    if not required:
        raise ValueError("no voters are required: nothing could ever be refused")
    rank = {voter: place for place, voter in enumerate(required)}
    objections = [vote for vote in votes if vote.voter in rank and not vote.reply.accepts]
    if objections:
        worst = min(objections, key=lambda vote: (not vote.reply.permanent, rank[vote.voter]))
        if worst.reply.permanent or not _silent(votes, required):
            return Verdict(reply=worst.reply, text=worst.text)
    if _silent(votes, required):
        return Verdict(reply=Reply.SERVICE_MISSING)
    counted = [vote for vote in votes if vote.voter in rank]
    convert = tuple(path for vote in counted for path in vote.convert)
    if any(path not in convert for vote in counted for path in vote.counts_on):
        return Verdict(reply=Reply.SERVICE_MISSING)
    return Verdict(reply=Reply.ACCEPTED, convert=convert)


def _silent(votes: Sequence[Vote], required: Sequence[str]) -> bool:
    cast = [vote.voter for vote in votes]
    return any(cast.count(voter) != 1 for voter in required)
