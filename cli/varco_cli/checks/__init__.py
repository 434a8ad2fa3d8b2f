"""What `varco check` finds before anything starts: settings, files, ports, passwords."""
