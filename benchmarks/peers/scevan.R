# SCEVAN (R): pipelineCNA with its defaults; the reference cells are norm_cell.
args <- commandArgs(trailingOnly = FALSE)
source(file.path(dirname(sub("^--file=", "", grep("^--file=", args, value = TRUE)[1])), "case.R"))
normal <- cells$cell[cells$is_reference]
setwd(out) # it writes into ./output
found <- SCEVAN::pipelineCNA(
  dense_counts(), sample = "case", par_cores = cores, norm_cell = if (length(normal)) normal else NULL,
  SUBCLONES = TRUE, beta_vega = 0.5, ClonalCN = TRUE, plotTree = FALSE
)
found <- found[cells$cell, , drop = FALSE]
call <- c(tumor = "malignant", normal = "normal")[as.character(found$class)]
call[is.na(call)] <- "unassigned"
number <- if ("subclone" %in% names(found)) found$subclone else rep(NA, nrow(found))
single <- ifelse(call == "malignant", "1", "") # without significant subclones all tumour cells are one clone
clone <- ifelse(is.na(number), if (all(is.na(number))) single else "", as.character(number))
score <- c(malignant = 1, unassigned = 0.5, normal = 0)[call] # it gives no score; the class stands for it
segments <- NULL
file <- file.path("output", "case_Clonal_CN.seg")
if (file.exists(file)) {
  part <- read.table(file, header = TRUE)
  if (all(c("Chr", "Pos", "End", "CN") %in% names(part))) {
    segments <- data.frame(
      clone = "all", chromosome = paste0("chr", sub("^chr", "", part$Chr)),
      start = part$Pos, end = part$End, value = part$CN - 2, state = part$CN
    )
  }
}
write_out(data.frame(cell = cells$cell, score = score, p_malignant = NA, call = call, clone = clone), segments)
