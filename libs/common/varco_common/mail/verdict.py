"""The verdict: a pure function from the votes to the answer.

Only votes that were cast accept a mail.
"""

from collections.abc import Sequence

import msgspec

from varco_common.mail.ballot import Vote
from varco_common.mail.replies import Reply


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The deciding reply, its text for the client, and the paths of the parts to convert."""

    reply: Reply
    text: str = ""
    convert: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        return self.reply.accepts


def verdict(votes: Sequence[Vote], required: Sequence[str]) -> Verdict:
    """Folds the votes into an answer.

    A permanent refusal outranks a temporary one; among equals the order of `required` decides. A
    missing vote, or two votes of one voter, make `SERVICE_MISSING`, unless there is a permanent
    refusal. So does a vote that counts on a conversion that no vote asks for, as while the voters
    follow a change of an account. `required` must not be empty.
    """
    if not required:
        raise ValueError("no voters are required: no mail could ever be refused")
    rank = {voter: place for place, voter in enumerate(required)}
    objections = [vote for vote in votes if vote.voter in rank and not vote.reply.accepts]
    if objections:
        worst = min(objections, key=lambda vote: (not vote.reply.permanent, rank[vote.voter]))
        if worst.reply.permanent or not _is_incomplete(votes, required):
            return Verdict(reply=worst.reply, text=worst.text)
    if _is_incomplete(votes, required):
        return Verdict(reply=Reply.SERVICE_MISSING)
    counted = [vote for vote in votes if vote.voter in rank]
    convert = tuple(path for vote in counted for path in vote.convert)
    if any(path not in convert for vote in counted for path in vote.counts_on):
        return Verdict(reply=Reply.SERVICE_MISSING)
    return Verdict(reply=Reply.ACCEPTED, convert=convert)


def _is_incomplete(votes: Sequence[Vote], required: Sequence[str]) -> bool:
    cast = [vote.voter for vote in votes]
    return any(cast.count(voter) != 1 for voter in required)
