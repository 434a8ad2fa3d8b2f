"""What docker compose needs beside the images: secrets and configuration as files, a bus and databases made ready."""
