"""The audit: the observer that is piped to hosts, the comparison, verdicts and the report."""
