"""What the rest of the host code stands on: errors, the root folder, locks, disk space, child processes, text files."""
