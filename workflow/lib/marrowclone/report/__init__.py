"""Self-contained pages and figures, drawn from tables only."""
