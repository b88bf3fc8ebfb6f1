"""Make the locks of a site's first tier from its specs: read, solve, judge, write; no Ansible here.

Nothing is written but whole files, by rename, and only if every environment's outcome is free of errors: a person who
changed two specs gets both locks or none. All locks of a run change as one (`handover`): a kill leaves what was, or
what the next run completes.
"""
