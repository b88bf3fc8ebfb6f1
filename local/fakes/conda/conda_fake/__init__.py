"""A fake conda, for Lockstep's offline local fleet: the few commands that roles, users and the clean timer use.

It behaves as real conda 26.5.3 does on what it knows, which `tests/contract` proves by running the same checks against
both, and refuses loudly (exit code 2) what it does not know. Real Miniconda, with real conda, is the product's default.
"""

VERSION = "26.5.3+fake"
