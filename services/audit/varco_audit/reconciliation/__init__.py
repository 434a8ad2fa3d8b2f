"""The balance: what became of each recipient, and which recipients are lost (docs/balance.md)."""
