"""varco-firewall, a worker: keeps the kernel's set of banned hosts, in a table of its own."""
