"""Figures of the report: each takes result tables, draws, and computes nothing of its own."""
