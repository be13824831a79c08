# Needs: each sample's counts as the sheet names them (COHORT), the gene table, the marker panel.
# Gives: results/cells/{sample}.counts.h5ad (written once, never changed),
#        results/cells/{sample}.qc.tsv.gz (a row per barcode), results/cells/{sample}.qc.json (the sample's facts).


rule load_counts:
    """Read one capture and bring it into the reference gene space."""
    input:
        files=lambda wildcards: COHORT.files_of(wildcards.sample),
        genes=resource("genes.tsv.gz"),
        aliases=resource("aliases.tsv"),
        models=resource("gene_models.tsv"),
    output:
        counts="results/cells/{sample}.counts.h5ad",
    log:
        "logs/load_counts/{sample}.log",
    benchmark:
        "benchmarks/load_counts/{sample}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("load_counts"),
        code=code("load_counts"),
        seed=config["seed"],
        path=lambda wildcards: str(COHORT.samples.loc[wildcards.sample, "path"]),
        format=lambda wildcards: COHORT.samples.loc[wildcards.sample, "format"]
        or "auto",
    script:
        "../../scripts/load_counts.py"


rule qc_cells:
    """Keep or drop every barcode of one capture, with a reason."""
    input:
        counts="results/cells/{sample}.counts.h5ad",
        markers=resource("markers.tsv"),
    output:
        qc="results/cells/{sample}.qc.tsv.gz",
        facts="results/cells/{sample}.qc.json",
    log:
        "logs/qc_cells/{sample}.log",
    benchmark:
        "benchmarks/qc_cells/{sample}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("qc_cells"),
        code=code("qc_cells"),
        seed=config["seed"],
    script:
        "../../scripts/qc_cells.py"
