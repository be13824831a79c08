"""marrowclone: myeloma subclones through treatment, from single-cell counts to a cure spectrum.

The subpackages are the chapters of the pipeline, in the order in which data flows:
cells, embedding, copy_number, clones, evolution, cure, report. ``simulate`` makes
cohorts whose truth is known and shares no model code with the chapters.
"""

__version__ = "0.1.0"
