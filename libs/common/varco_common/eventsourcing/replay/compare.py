"""Whether a vote that was cast again is the one that is on record. Pure."""

from varco_common.mail.ballot import Vote

COMPARED = ("reply", "reason", "text", "convert", "counts_on")


def differing(recorded: Vote, again: Vote) -> tuple[str, ...]:
    """The fields in which they differ; empty: they are the same. What was measured is taken from the record."""
    return tuple(name for name in COMPARED if getattr(recorded, name) != getattr(again, name))


def other_outcome(recorded: Vote, again: Vote) -> bool:
    """Whether the mail would fare otherwise, however the vote words it."""
    links = recorded.convert != again.convert or recorded.counts_on != again.counts_on
    return links or recorded.reply.accepts != again.reply.accepts
