"""The balance: what became of every recipient of every mail, and whom nobody can account for (docs/balance.md)."""
