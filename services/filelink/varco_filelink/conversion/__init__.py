"""How a mail with heavy attachments becomes a mail with links."""
