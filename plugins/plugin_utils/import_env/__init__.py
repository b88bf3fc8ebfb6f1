"""Import an existing environment: make a spec and a lock of it, and report what became of every package and line.

What is known of the environment (records of a prefix, lines of an export) becomes requested packages for the spec, and
preferences for the lock. The preferences are the channel's records of the same versions, if possible of the same files;
they form a previous lock, which ordinary locking changes only as far as it must. So an import obeys every rule of
locks, and if all packages are still in the channel, the lock holds exactly those.
"""
