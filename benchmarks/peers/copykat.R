# copykat (R): its defaults, with the reference cells as known normal cells; subclones as its vignette cuts them.
args <- commandArgs(trailingOnly = FALSE)
source(file.path(dirname(sub("^--file=", "", grep("^--file=", args, value = TRUE)[1])), "case.R"))
normal <- cells$cell[cells$is_reference]
setwd(out) # it writes files where it stands
found <- copykat::copykat(
  rawmat = dense_counts(), id.type = "S", ngene.chr = 5, win.size = 25, KS.cut = 0.1, sam.name = "case",
  distance = "euclidean", norm.cell.names = if (length(normal)) normal else "", plot.genes = "FALSE", n.cores = cores
)
prediction <- data.frame(found$prediction)
kind <- setNames(as.character(prediction$copykat.pred), as.character(prediction$cell.names))
kind <- sub(":low.conf$", "", sub("^c[0-9]:", "", kind))
bins <- data.frame(found$CNAmat, check.names = FALSE)
names(bins)[-(1:3)] <- gsub(".", "-", names(bins)[-(1:3)], fixed = TRUE)
signal <- as.matrix(bins[, -(1:3)])
known <- gsub("[.:]", "-", cells$cell) # R turns signs of cell names into dots in some versions
colnames(signal) <- cells$cell[match(gsub("[.:]", "-", colnames(signal)), known)]
names(kind) <- cells$cell[match(gsub("[.:]", "-", names(kind)), known)]
kind <- kind[cells$cell]
tumour <- intersect(colnames(signal), cells$cell[cells$role == "query" & !is.na(kind) & kind == "aneuploid"])
clone <- setNames(rep("", nrow(cells)), cells$cell)
segments <- NULL
if (length(tumour) > 2) {
  tree <- hclust(dist(t(signal[, tumour])), method = "ward.D2")
  clone[tumour] <- paste0("c", cutree(tree, 2))
  segments <- do.call(rbind, lapply(c("c1", "c2"), function(k) {
    mean <- rowMeans(signal[, names(clone)[clone == k], drop = FALSE])
    data.frame(
      clone = k, chromosome = paste0("chr", sub("^23$", "X", sub("^24$", "Y", bins$chrom))),
      start = bins$chrompos, end = bins$chrompos + 220000, value = mean, state = NA
    )
  }))
}
score <- setNames(rep(NA_real_, nrow(cells)), cells$cell)
score[colnames(signal)] <- colMeans(abs(signal))
call <- ifelse(is.na(kind), "unassigned", c(aneuploid = "malignant", diploid = "normal")[kind])
call[is.na(call)] <- "unassigned"
write_out(data.frame(cell = cells$cell, score = score, p_malignant = NA, call = call, clone = clone), segments)
