"""Helpers for all host code: errors, the root folder, locks, disk space, child processes, files, the install plan."""
