"""What every Varco service stands on; it imports no service."""
