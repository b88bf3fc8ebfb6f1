"""Make a mirror: inspect what is there, fetch what is missing, then change what clients read.

The order survives a kill at any moment. A file gets its name once its sha256 is verified. Indexes are written after all
files are on the disk, each in one step; the list of contents is written last. Pruning removes files from the indexes
first, then from the disk. So an index never names a missing file, and the next run continues where a killed one
stopped.

Files that are there are not hashed again while size and modification time are those of the last hash
(`.lockstep/seen`): reading 10 GB takes half a minute, and hosts verify every package again. `verify` hashes everything.
"""
