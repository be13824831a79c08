"""Residual disease, clones, function and quality of life in one auditable score."""
