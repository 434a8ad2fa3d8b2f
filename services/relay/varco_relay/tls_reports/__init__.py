"""Reports to recipients' domains of how TLS with their mail servers went (RFC 8460)."""
