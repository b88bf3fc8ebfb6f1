"""Build and repair generations from install plans."""
