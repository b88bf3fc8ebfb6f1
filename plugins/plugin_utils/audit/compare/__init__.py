"""From the desired and the observed state of a host to its drift. Pure functions: no Ansible, no files."""
