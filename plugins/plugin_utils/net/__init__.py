"""Downloads: requests, retries, credentials, and the cache of wheels."""
