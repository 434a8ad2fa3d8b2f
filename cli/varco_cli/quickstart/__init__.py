"""What `varco quickstart` asks, checks and writes: the first files of a company's gate."""
