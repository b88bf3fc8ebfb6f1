"""An offline conda channel, and an installer with Miniconda's interface, from this machine's Python and real wheels."""
