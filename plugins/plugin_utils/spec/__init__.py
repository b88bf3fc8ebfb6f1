"""Environment specs: reading envs/<name>.yml, platform selectors, pip sections, and their lint rules."""
