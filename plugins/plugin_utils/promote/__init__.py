"""Promotion of locks from tier to tier, the audit gate before it, and rollback."""
