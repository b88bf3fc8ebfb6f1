"""The Miniconda base: its installation and what it cannot do without."""
