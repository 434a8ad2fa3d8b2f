"""The POP3 server (RFC 1939)."""
