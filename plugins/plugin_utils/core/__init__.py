"""What every package of the controller may use: text, findings, atomic writes, guarded YAML, progress."""
