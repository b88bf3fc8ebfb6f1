"""Represent what conda defines: channels, match specs, virtual packages, build variants, and the lock file format."""
