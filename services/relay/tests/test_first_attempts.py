"""What is known of mails before and during their first attempt."""

import asyncio
from contextlib import suppress

from varco_relay import first_attempts
from varco_relay.first_attempts import FirstAttempts

TO = ("bob@x.example", "carl@x.example")


def test_a_mail_dropped_before_it_comes_to_hand_is_not_tried():
    first = FirstAttempts()
    first.drop("a", 5, TO[:1])
    with first.in_hand("a", 5):
        assert first.not_dropped("a", TO) == TO[1:]
        first.drop("a", 5, TO[1:])
        assert first.not_dropped("a", TO) == ()
    assert first.dropped == 0


def test_an_old_drop_is_of_its_own_mail_and_not_of_a_later_one_at_its_sequence():
    first = FirstAttempts()
    first.drop("before the restore", 1, TO)
    with first.in_hand("after it", 1):
        assert first.not_dropped("after it", TO) == TO


def test_a_million_drops_of_tried_mail_are_not_kept_and_forget_none_that_waits():
    first = FirstAttempts()
    with first.in_hand("tried", 50_000):
        pass
    first.drop("waits", 50_001, TO)
    for sequence in range(first_attempts._MAX_AHEAD * 2):
        first.drop(f"tried {sequence}", sequence, TO)
    assert first.dropped == first_attempts._MAX_PAST + 1
    assert first.not_dropped("waits", TO) == ()


def test_a_mail_whose_attempt_failed_stays_dropped_when_it_comes_again():
    first = FirstAttempts()
    with suppress(TimeoutError), first.in_hand("a", 1):
        first.drop("a", 1, TO)
        raise TimeoutError
    with first.in_hand("a", 1):
        assert first.not_dropped("a", TO) == ()


def test_a_mail_of_two_parts_is_tried_until_both_attempts_end():
    first = FirstAttempts()
    with first.attempt("a"):
        with first.attempt("a"):
            pass
        assert first.is_tried_now("a")
    assert not first.is_tried_now("a")


def test_drops_of_long_tried_mail_take_no_room_after_a_restart():
    first = FirstAttempts()
    for sequence in range(1, first_attempts._MAX_AHEAD + 1):
        first.drop(f"tried {sequence}", sequence, TO)  # before a mail came to hand
    first.drop("waits", first_attempts._MAX_AHEAD + 2, TO)
    first.handed_out(first_attempts._MAX_AHEAD + 1)
    assert first.room == first_attempts._MAX_AHEAD - 1
    assert first.not_dropped("waits", TO) == ()


async def test_a_mail_stays_set_aside_when_its_drop_is_cut_off():
    first = FirstAttempts()
    with suppress(asyncio.CancelledError), first.set_aside(["a"]):
        raise asyncio.CancelledError
    assert first.is_set_aside("a"), "EVENTS may have the drop"
    with suppress(TimeoutError), first.set_aside(["b"]):
        raise TimeoutError
    assert not first.is_set_aside("b")


async def test_no_attempt_begins_while_it_is_decided_whether_a_mail_is_dropped():
    first = FirstAttempts()
    with first.attempt("tried"), first.set_aside(["tried", "waits"]) as waiting:
        assert waiting == ["waits"]
        with first.set_aside(["waits"]) as again:
            assert again == [], "two drops at the same time do not drop it twice"
        decided = asyncio.create_task(first.decided("waits"))
        await asyncio.sleep(0)
        assert not decided.done()
        await first.decided("tried")
    async with asyncio.timeout(60):
        await decided
