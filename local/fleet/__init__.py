"""Container hosts under a podman of their own: made, provisioned, broken on purpose, and removed without a trace."""
