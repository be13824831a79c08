"""Answers against a known truth, as numbers: pure functions, the same for marrowclone and for any other tool.

Nothing here imports a chapter or the simulator: a score must not lean on what it judges. Tables of one patient go
in, unless a function says otherwise; a small dict or table comes out. What cannot be computed is NaN.
"""
