"""`varco demo`: mails that show each rule, sent through a real gate, and what became of each."""
