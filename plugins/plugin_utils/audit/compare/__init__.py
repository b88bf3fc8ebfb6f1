"""What a host should hold against what it holds: the one notion of "in sync". Pure functions: no Ansible, no files."""
