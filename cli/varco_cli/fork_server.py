"""The process that services are forked from: `python -m varco_cli.fork_server`."""

from varco_cli import optional_packages

if __name__ == "__main__":
    optional_packages.leave_out_of_services()
    from varco_cli.forked_service import main  # it imports what is left out

    main()
