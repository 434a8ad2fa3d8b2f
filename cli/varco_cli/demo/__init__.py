"""`varco demo`: sends mails that show each rule through a real gate."""
