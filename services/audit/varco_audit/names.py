"""What audit is called where it speaks."""

NAME = "audit"
