"""Install and inspect the Miniconda base."""
