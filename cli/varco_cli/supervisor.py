"""What `varco up` becomes when all runs: `python -m varco_cli.supervisor FILE_DESCRIPTOR`."""

import sys

from varco_cli import optional_packages

if __name__ == "__main__":
    optional_packages.leave_out()
    from varco_cli.stack.supervision import main  # it imports what is left out

    main(int(sys.argv[1]))
