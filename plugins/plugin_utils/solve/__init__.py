"""Solve specs: conda packages with py-rattler, pip sections with uv; explain why there is no solution."""
