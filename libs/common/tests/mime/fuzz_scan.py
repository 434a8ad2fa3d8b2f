"""Fuzzes scan(): `python -m pytest` doesn't run it; run it by hand, `python fuzz_scan.py --seconds
180`.

Changes the ordinary mails at random and checks what the property tests check. With atheris
installed, `--atheris` lets coverage steer the changes instead. A mail that fails is written to
`fuzz-<hash>.eml` and the run ends with code 1.
"""

import argparse
import hashlib
import importlib
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
POOL = 200  # mails that are changed further
SLOW_SECONDS = 0.25  # for mails of some 10 KB

holds = importlib.import_module("mime.test_properties").holds
ORDINARY = importlib.import_module("mime.ordinary").ORDINARY
PIECES = importlib.import_module("mime.mutate").PIECES


def mutated(mail: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.randint(1, 12)):
        at = chance.randint(0, len(mail))
        end = at + chance.choice((0, 0, 1, 2, 10, 100))
        match chance.randint(0, 5):
            case 0 | 1 | 2:
                mail = mail[:at] + chance.choice(PIECES) * chance.choice((1, 1, 1, 2, 40)) + mail[end:]
            case 3:
                mail = mail[:at] + bytes([chance.randint(0, 255)]) + mail[at + 1 :]
            case 4:
                other = chance.choice(list(ORDINARY.values()))
                mail = mail[:at] + other[chance.randint(0, len(other)) :] + mail[end:]
            case 5:
                lines = mail.split(b"\r\n")
                first, second = chance.randrange(len(lines)), chance.randrange(len(lines))
                lines[first], lines[second] = lines[second], lines[first]
                mail = b"\r\n".join(lines)
    return mail[:60_000]


def checked(mail: bytes) -> None:
    start = time.process_time()
    try:
        holds(mail)
        if time.process_time() - start > SLOW_SECONDS:
            raise TimeoutError(f"{time.process_time() - start:.2f} s for {len(mail)} bytes")  # noqa: TRY301  same report
    except Exception:
        Path(f"fuzz-{hashlib.sha256(mail).hexdigest()[:12]}.eml").write_bytes(mail)
        raise


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--atheris", action="store_true")
    arguments = parser.parse_args()
    if arguments.atheris:
        atheris = importlib.import_module("atheris")
        atheris.instrument_all()
        atheris.Setup(sys.argv[:1], checked)
        atheris.Fuzz()
        return
    seed = time.time_ns() if arguments.seed is None else arguments.seed
    chance = random.Random(seed)
    pool = list(ORDINARY.values())
    runs, end = 0, time.monotonic() + arguments.seconds
    while time.monotonic() < end:
        mail = mutated(chance.choice(pool), chance)
        checked(mail)
        if len(pool) < POOL:
            pool.append(mail)
        elif chance.random() < 0.02:
            pool[chance.randrange(len(ORDINARY), POOL)] = mail
        runs += 1
    sys.stdout.write(f"{runs} mails, seed {seed}: nothing found\n")


if __name__ == "__main__":
    main()
