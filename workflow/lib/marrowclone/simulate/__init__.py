"""Cohorts with known truth; imports nothing from the chapters."""

from .cohort import Cohort, simulate

__all__ = ["Cohort", "simulate"]
