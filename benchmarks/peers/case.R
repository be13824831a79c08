# What the R adapters share. Usage: Rscript <tool>.R FOLDER OUT [ALLELES]; r_peer.py writes FOLDER and reads OUT.
#   FOLDER: counts.tsv (gene, cell, count; one-based), genes.txt, cells.tsv (cell, role, is_reference, group)
#   OUT:    cells.tsv (cell, score, p_malignant, call, clone), segments.tsv (clone, chromosome, start, end, value, state)
argv <- commandArgs(trailingOnly = TRUE)
folder <- argv[1]
out <- argv[2]
set.seed(1)
genes <- readLines(file.path(folder, "genes.txt"))
cells <- read.delim(file.path(folder, "cells.tsv"), stringsAsFactors = FALSE)
cores <- max(1L, as.integer(Sys.getenv("MARROWCLONE_PEER_THREADS", "1")))

# Counts, genes x cells, dense: copykat and SCEVAN take nothing else.
dense_counts <- function() {
  entry <- scan(file.path(folder, "counts.tsv"), what = list(0L, 0L, 0L), quiet = TRUE)
  counts <- matrix(0L, length(genes), nrow(cells), dimnames = list(genes, cells$cell))
  counts[cbind(entry[[1]], entry[[2]])] <- entry[[3]]
  counts[rowSums(counts) > 0, , drop = FALSE]
}

write_out <- function(answer, segments = NULL) {
  write.table(answer, file.path(out, "cells.tsv"), sep = "\t", quote = FALSE, row.names = FALSE, na = "")
  if (!is.null(segments)) {
    write.table(segments, file.path(out, "segments.tsv"), sep = "\t", quote = FALSE, row.names = FALSE, na = "")
  }
}
