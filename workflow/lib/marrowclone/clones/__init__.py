"""Subclones of a patient, learned jointly over all of its timepoints."""
