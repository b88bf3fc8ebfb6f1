"""Take over an existing environment: make a spec and a lock of it, and say of everything what became of it.

What is known of the environment (a prefix's records, an export's lines) becomes wishes for the spec and preferences for
the lock: the channel's own records of the same versions, if possible the same files, go into a lock that the ordinary
locking finds in place and changes only as far as it must. So an import obeys every rule that a lock obeys, and where
all packages are still in the channel, the lock holds exactly them.
"""
