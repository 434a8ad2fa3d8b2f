"""Mail leaves disk space for events, and a bus that found the disk full is restarted."""

from pathlib import Path

from varco_cli.stack.disk_room import NO_ROOM, DiskFullMessages, mail_limit, reserve

GB = 1 << 30


def test_mail_leaves_the_reserve_free() -> None:
    assert mail_limit(used=2 * GB, free=10 * GB, total=100 * GB) == 11 * GB
    assert reserve(100 * GB) == GB
    assert reserve(GB) < GB // 4


def test_a_disk_that_is_nearly_full_takes_no_more_mail() -> None:
    assert mail_limit(used=2 * GB, free=GB // 2, total=100 * GB) == 2 * GB
    assert mail_limit(used=0, free=0, total=GB) == 1  # 0 is no limit to JetStream


def test_the_operators_own_limit_holds_where_it_is_lower() -> None:
    assert mail_limit(used=0, free=10 * GB, total=100 * GB, limit_bytes=GB) == GB
    assert mail_limit(used=0, free=2 * GB, total=100 * GB, limit_bytes=50 * GB) == GB


def test_only_new_complaints_count(tmp_path: Path) -> None:
    file = tmp_path / "nats.log"
    file.write_bytes(b"[ERR] write 4.blk: " + NO_ROOM + b"\n")
    disk_full = DiskFullMessages(file)
    assert not disk_full.new()
    with file.open("ab") as lines:
        lines.write(b"[ERR] write 5.blk: " + NO_ROOM + b"\n")
    assert disk_full.new()
    assert not disk_full.new()
