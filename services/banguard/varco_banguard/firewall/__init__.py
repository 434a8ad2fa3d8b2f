"""varco-firewall: the kernel rejects banned hosts, by a table of its own."""
