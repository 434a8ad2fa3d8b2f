"""Compares a vote that was made again with the recorded one. Pure."""

from varco_common.mail.ballot import Vote

COMPARED = ("reply", "reason", "text", "convert", "counts_on")


def differing_fields(recorded: Vote, again: Vote) -> tuple[str, ...]:
    """The fields that differ.

    Figures are not compared: they are inputs, taken from the recorded vote.
    """
    return tuple(name for name in COMPARED if getattr(recorded, name) != getattr(again, name))


def other_outcome(recorded: Vote, again: Vote) -> bool:
    """Whether the mail would be treated differently; the wording of the votes does not matter."""
    links = recorded.convert != again.convert or recorded.counts_on != again.counts_on
    return links or recorded.reply.accepts != again.reply.accepts
