"""Read environment specs (envs/<name>.yml): dependencies, platforms, selectors, pip sections, lint rules."""
