"""The folder of the tiers' locks: the transaction that makes a run over several locks atomic, and provenance."""
