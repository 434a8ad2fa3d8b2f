"""`python -m tests.parsers --count 20000`: more mutations than the test has.

Every parser that is here reads them. A mail that passes although a parser shows its forbidden file
is written to `parsers-<number>.eml`.
"""

import argparse
import time
from pathlib import Path

from .attacks import ATTACKS
from .judging import betrayals, mutations, passes
from .oracles import PARSERS, running


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--parser", choices=PARSERS, action="append")
    parser.add_argument("--out", type=Path, default=Path())
    arguments = parser.parse_args()
    start = time.monotonic()
    mails = dict(mutations(arguments.count, arguments.first))
    passed = [(number, mail) for number, mail in mails.items() if passes(mail)]
    print(
        f"{len(mails)} mutations of {len(ATTACKS)} mails: {len(passed)} pass ({time.monotonic() - start:.0f} s)",
        flush=True,
    )
    for name, oracle in running(arguments.parser or list(PARSERS)).items():
        found = dict(betrayals(oracle, passed))
        print(
            f"{name}: {len(found)} of {len(passed)} show a forbidden file ({time.monotonic() - start:.0f} s)",
            flush=True,
        )
        for number, shown in found.items():
            print(f"  {number}: {shown.name!r} {shown.media_type} {shown.content[:12]!r}")
            (arguments.out / f"parsers-{number}.eml").write_bytes(mails[number])


if __name__ == "__main__":
    main()
