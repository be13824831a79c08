# numbat (R): run_numbat with its defaults. It needs allele counts per cell (the table of its pileup step), third argument.
args <- commandArgs(trailingOnly = FALSE)
source(file.path(dirname(sub("^--file=", "", grep("^--file=", args, value = TRUE)[1])), "case.R"))
alleles <- read.delim(argv[3])
counts <- methods::as(methods::as(Matrix::Matrix(dense_counts(), sparse = TRUE), "generalMatrix"), "CsparseMatrix")
known <- cells$is_reference
annotation <- data.frame(cell = cells$cell[known], group = cells$group[known])
baseline <- numbat::aggregate_counts(counts[, cells$cell[known]], annotation)
run <- file.path(out, "numbat")
numbat::run_numbat(
  counts[, cells$cell[!known]], baseline, alleles,
  genome = "hg38", t = 1e-5, ncores = cores, plot = FALSE, out_dir = run
)
last <- function(pattern) tail(sort(list.files(run, pattern, full.names = TRUE)), 1)
post <- read.delim(last("^clone_post_[0-9]+\\.tsv"))
post <- post[match(cells$cell, post$cell), ]
call <- c(tumor = "malignant", normal = "normal")[as.character(post$compartment_opt)]
call[is.na(call)] <- "unassigned"
clone <- ifelse(is.na(post$clone_opt), "", as.character(post$clone_opt))
bulk <- read.delim(last("^bulk_clones_final\\.tsv"))
bulk <- unique(bulk[, c("sample", "CHROM", "seg_start", "seg_end", "cnv_state")])
step <- c(amp = 1, bamp = 2, del = -1, bdel = -2, neu = 0, loh = 0)[as.character(bulk$cnv_state)]
step[is.na(step)] <- 0
segments <- data.frame(
  clone = bulk$sample, chromosome = paste0("chr", bulk$CHROM), start = bulk$seg_start, end = bulk$seg_end,
  value = step, state = pmax(2 + step, 0)
)
write_out(
  data.frame(cell = cells$cell, score = post$p_cnv, p_malignant = post$p_cnv, call = call, clone = clone), segments
)
