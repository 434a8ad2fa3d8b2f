"""DKIM signatures (RFC 6376) over the bytes that leave."""
