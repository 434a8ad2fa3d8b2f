"""What docker compose needs beside the images: secrets and configuration as files, and a bus, databases and streams made ready."""
