"""The Pulumi program: configuration in, a cluster of GPU machines and its inventory out. It knows nothing of conda."""
