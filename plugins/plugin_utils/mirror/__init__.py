"""Make a mirror: look at what is there, fetch what is missing, and only then change what clients read.

The order survives a kill at any moment. A file gets its name when its sha256 agrees. Indexes are written when all files
are there and are on the disk, each in one step; the list of contents comes last. Pruning takes files out of the indexes
first and then away. So an index never names a file that is not there, and whatever a killed run leaves, the next one
goes on with.

What is there is believed where size and modification time are those of when it was hashed (`.lockstep/seen`), since
reading 10 GB again takes half a minute, and hosts check every package once more. `verify` reads everything.
"""
