"""Cohorts with known truth; imports nothing from the chapters."""
