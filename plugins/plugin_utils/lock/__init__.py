"""Make the locks of a site's first tier from its specs: read, solve, check, write. Nothing here needs Ansible.

Files are replaced as a whole, by rename, and only if no environment has an error: a person who changed two specs gets
both locks or none. All locks of a run change in one transaction (`lock_store.transaction`): after a kill, either
nothing has changed or the next run completes it.
"""
