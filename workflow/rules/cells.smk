# Needs: each sample's counts as the sheet names them (COHORT), the gene table, the marker panel.
# Gives: results/cells/{sample}.counts.h5ad (written once, never changed),
#        results/cells/{sample}.ambient.tsv.gz (share of ambient UMIs per gene), results/cells/{sample}.ambient.json,
#        results/cells/{sample}.qc.tsv.gz (a row per barcode), results/cells/{sample}.qc.json (the sample's facts);
#        where denoise_counts is switched on and the sheet names raw droplets, results/cells/{sample}.denoised.h5ad
#        (counts without ambient RNA, for later chapters) and results/cells/{sample}.denoised.json.


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


rule profile_ambient:
    """Learn which RNA floats in the droplets of one capture, from the best source there is."""
    input:
        counts="results/cells/{sample}.counts.h5ad",
        raw=lambda wildcards: COHORT.raw_files_of(wildcards.sample),
        markers=resource("markers.tsv"),
        genes=resource("genes.tsv.gz"),
        aliases=resource("aliases.tsv"),
    output:
        ambient="results/cells/{sample}.ambient.tsv.gz",
        facts="results/cells/{sample}.ambient.json",
    log:
        "logs/profile_ambient/{sample}.log",
    benchmark:
        "benchmarks/profile_ambient/{sample}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("profile_ambient"),
        code=code("profile_ambient"),
        seed=config["seed"],
        raw_path=lambda wildcards: str(COHORT.samples.loc[wildcards.sample, "raw_path"]),
        genome=settings("load_counts")["genome"],
        limits=settings("qc_cells"),
    script:
        "../../scripts/profile_ambient.py"


rule qc_cells:
    """Keep or drop every barcode of one capture, with a reason."""
    input:
        counts="results/cells/{sample}.counts.h5ad",
        ambient="results/cells/{sample}.ambient.tsv.gz",
        ambient_facts="results/cells/{sample}.ambient.json",
        markers=resource("markers.tsv"),
        lineages=resource("lineages.tsv"),
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


rule denoise_counts:
    """Take the ambient RNA out of one capture's counts (scAR); asked for only where the option is on."""
    input:
        counts="results/cells/{sample}.counts.h5ad",
        qc="results/cells/{sample}.qc.tsv.gz",
        ambient="results/cells/{sample}.ambient.tsv.gz",
        ambient_facts="results/cells/{sample}.ambient.json",
    output:
        counts="results/cells/{sample}.denoised.h5ad",
        facts="results/cells/{sample}.denoised.json",
    log:
        "logs/denoise_counts/{sample}.log",
    benchmark:
        "benchmarks/denoise_counts/{sample}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("denoise_counts"),
        code=code("denoise_counts"),
        seed=config["seed"],
        device=config["device"],
    script:
        "../../scripts/denoise_counts.py"
