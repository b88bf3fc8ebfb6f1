"""Change the tiers' locks: transactions that make a run over several locks atomic, and provenance."""
