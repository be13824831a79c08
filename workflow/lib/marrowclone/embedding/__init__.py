"""One latent space for the cohort, and the cell types read off it."""
