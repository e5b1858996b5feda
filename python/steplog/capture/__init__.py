"""What a run records without being asked; each source is one file, and may import `psutil`."""
