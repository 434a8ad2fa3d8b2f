"""The changes of an account's settings: their history, and the opposite of one of them."""
