"""Helpers for all packages of the controller: text, errors, findings, digests, atomic writes, safe YAML, progress."""
