"""conda's own notions: channels, match specs, system requirements, build variants, and the lock file format."""
