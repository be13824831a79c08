# Needs: counts and QC tables of all samples, the marker panel, the users' own labels where the sheet names some.
# Gives: results/embedding/latent.parquet, training.tsv, integration.json (how the latent space was made),
#        results/embedding/cells.tsv.gz (a row per kept cell), clusters.tsv,
#        results/embedding/microenvironment.tsv (a row per sample and measure).


rule integrate_cells:
    """One latent space over the cohort's kept cells."""
    input:
        counts=expand("results/cells/{sample}.counts.h5ad", sample=COHORT.samples.index),
        qc=expand("results/cells/{sample}.qc.tsv.gz", sample=COHORT.samples.index),
    output:
        latent="results/embedding/latent.parquet",
        training="results/embedding/training.tsv",
        facts="results/embedding/integration.json",
    log:
        "logs/integrate_cells.log",
    benchmark:
        "benchmarks/integrate_cells/all.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("integrate_cells"),
        code=code("integrate_cells"),
        seed=config["seed"],
        device=config["device"],
        batches={
            sample: str(row.batch or sample)
            for sample, row in COHORT.samples.iterrows()
        },
    script:
        "../../scripts/integrate_cells.py"


rule type_cells:
    """A cell type for every kept cell of the cohort."""
    input:
        counts=expand("results/cells/{sample}.counts.h5ad", sample=COHORT.samples.index),
        qc=expand("results/cells/{sample}.qc.tsv.gz", sample=COHORT.samples.index),
        latent="results/embedding/latent.parquet",
        markers=resource("markers.tsv"),
        states=resource("states.tsv"),
        cycling=resource("cycling.tsv"),
        model_names=resource("celltypist_labels.tsv"),
        model=[p for p in [settings("type_cells")["celltypist_model"]] if p],
        labels=[path for path in COHORT.samples["cell_types"] if path],
    output:
        cells="results/embedding/cells.tsv.gz",
        clusters="results/embedding/clusters.tsv",
    log:
        "logs/type_cells.log",
    benchmark:
        "benchmarks/type_cells/all.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("type_cells"),
        code=code("type_cells"),
        seed=config["seed"],
        tumour_cell_types=config["tumour_cell_types"],
        samples={
            sample: {
                "patient": str(row.patient),
                "timepoint": str(row.timepoint),
                "day": int(row.day),
            }
            for sample, row in COHORT.samples.iterrows()
        },
        labels={
            sample: str(row.cell_types)
            for sample, row in COHORT.samples.iterrows()
            if row.cell_types
        },
    script:
        "../../scripts/type_cells.py"


rule measure_microenvironment:
    """Composition and programmes of the cells beside the tumour, per sample."""
    input:
        counts=expand("results/cells/{sample}.counts.h5ad", sample=COHORT.samples.index),
        qc=expand("results/cells/{sample}.qc.tsv.gz", sample=COHORT.samples.index),
        cells="results/embedding/cells.tsv.gz",
        programmes=resource("microenvironment.tsv"),
    output:
        "results/embedding/microenvironment.tsv",
    log:
        "logs/measure_microenvironment.log",
    benchmark:
        "benchmarks/measure_microenvironment/all.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("measure_microenvironment"),
        code=code("measure_microenvironment"),
        seed=config["seed"],
        samples={
            sample: {
                "patient": str(row.patient),
                "timepoint": str(row.timepoint),
                "day": int(row.day),
                "compartment": str(row.compartment or ""),
                "sort": str(row.sort or ""),
            }
            for sample, row in COHORT.samples.iterrows()
        },
    script:
        "../../scripts/measure_microenvironment.py"
