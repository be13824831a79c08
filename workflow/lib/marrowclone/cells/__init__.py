"""Raw counts in, kept barcodes out: loading, checking and quality control."""
