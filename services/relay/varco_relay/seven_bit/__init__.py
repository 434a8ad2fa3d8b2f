"""Makes a mail fit for a next hop without 8BITMIME (RFC 6152 3): 8-bit content is encoded."""
