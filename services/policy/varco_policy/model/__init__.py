"""The state that policy folds from events: each account, and the admin tokens. Pure.

`account.py` and `credential.py` have the state of an account; `account_projection.py` has `apply`,
which folds the events into it.
"""
