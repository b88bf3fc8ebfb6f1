"""Download files: requests, retries, credentials, and the cache of wheels."""
