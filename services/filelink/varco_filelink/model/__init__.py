"""The state that filelink folds from events: each account's settings, and each link."""
