from pathlib import Path

from varco_ingress_smtp.spool import MemoryBudget, Spool


def test_a_body_that_finds_no_room_waits_on_disk_and_is_the_same(tmp_path: Path) -> None:
    room = MemoryBudget(10)
    first, second = Spool(tmp_path, 100, room), Spool(tmp_path, 100, room)
    for spool in (first, second):
        for chunk in (b"123456", b"7890"):
            spool.write(chunk)
    assert room.free == 0
    assert first.is_small
    assert second.is_small
    for spool in (first, second):
        with spool.whole() as whole:
            assert bytes(whole) == b"1234567890"
        spool.clear()
    assert room.free == 10


def test_only_a_body_over_the_limit_is_never_copied_whole(tmp_path: Path) -> None:
    room = MemoryBudget(1000)
    spool = Spool(tmp_path, 4, room)
    spool.write(b"1234")
    assert spool.is_small
    spool.write(b"5")
    assert not spool.is_small

    assert room.free == 1000
    spool.clear()
