"""The truth suite: cohorts with known truth, methods that answer, and their judge."""
