"""Dead letters: what services could not handle and parked, until an operator deals with it."""
