"""A backup of all that can't be made again: streams, objects, databases, and secrets where they are wanted."""
