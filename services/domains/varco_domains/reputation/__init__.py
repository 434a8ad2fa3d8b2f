"""The daily look at what the world sees of a domain and of our addresses."""
