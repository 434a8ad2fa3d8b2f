"""filelink: heavy attachments become links."""
