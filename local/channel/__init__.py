"""An offline conda channel and an installer with Miniconda's interface, made from this machine's Python and real wheels."""
