# Needs: counts and QC tables of all samples, the marker panel, the users' own labels where the sheet names some.
# Gives: results/embedding/latent.parquet, training.tsv, integration.json (how the latent space was made),
#        results/embedding/cells.tsv.gz (a row per kept cell), clusters.tsv,
#        results/embedding/microenvironment.tsv (a row per sample and measure);
#        per patient clonality.tsv.gz (a row per plasma cell), groups.tsv, drivers.tsv, identity.tsv.


rule integrate_cells:
    """One latent space over the cohort's kept cells."""
    input:
        counts=counts_of(COHORT.samples.index),
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
        counts=counts_of(COHORT.samples.index),
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
        counts=counts_of(COHORT.samples.index),
        qc=expand("results/cells/{sample}.qc.tsv.gz", sample=COHORT.samples.index),
        cells="results/embedding/cells.tsv.gz",
        programmes=resource("microenvironment.tsv"),
    output:
        microenvironment="results/embedding/microenvironment.tsv",
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


rule call_clonality:
    """Light chain, isotype, V genes and clonotype per plasma cell, and whether groups of them are clonal."""
    input:
        # never the denoised ones: the calls take the soup's part out themselves
        counts=of_patient("results/cells/{sample}.counts.h5ad"),
        donor_counts=lambda wildcards: expand(
            "results/cells/{sample}.counts.h5ad",
            sample=COHORT.donor_samples_for(wildcards.patient),
        ),
        cells="results/embedding/cells.tsv.gz",
        vdj=lambda wildcards: list(COHORT.contigs_of(wildcards.patient).values()),
    output:
        clonality="results/embedding/{patient}.clonality.tsv.gz",
        groups="results/embedding/{patient}.groups.tsv",
    log:
        "logs/call_clonality/{patient}.log",
    benchmark:
        "benchmarks/call_clonality/{patient}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("call_clonality"),
        donors=lambda wildcards: COHORT.donors_for(wildcards.patient),
        vdj=lambda wildcards: COHORT.contigs_of(wildcards.patient),
        code=code("call_clonality"),
        seed=config["seed"],
    script:
        "../../scripts/call_clonality.py"


rule call_drivers:
    """Driver genes of the clonal plasma cells against normal ones, and the TC class."""
    input:
        counts=counts_of_patient,
        donor_counts=counts_of_donors,
        qc=of_patient("results/cells/{sample}.qc.tsv.gz"),
        donor_qc=lambda wildcards: expand(
            "results/cells/{sample}.qc.tsv.gz",
            sample=COHORT.donor_samples_for(wildcards.patient),
        ),
        cells="results/embedding/cells.tsv.gz",
        clonality="results/embedding/{patient}.clonality.tsv.gz",
        groups="results/embedding/{patient}.groups.tsv",
        drivers=resource("drivers.tsv"),
    output:
        drivers="results/embedding/{patient}.drivers.tsv",
    log:
        "logs/call_drivers/{patient}.log",
    benchmark:
        "benchmarks/call_drivers/{patient}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("call_drivers"),
        donors=lambda wildcards: COHORT.donors_for(wildcards.patient),
        healthy=lambda wildcards: wildcards.patient in COHORT.healthy,
        code=code("call_drivers"),
        seed=config["seed"],
    script:
        "../../scripts/call_drivers.py"


rule check_identity:
    """Whether each sample is its patient's: sex, germline genes, likeness, the clone's receptor."""
    input:
        counts=counts_of(COHORT.samples.index),
        cells="results/embedding/cells.tsv.gz",
        clonality=expand(
            "results/embedding/{patient}.clonality.tsv.gz", patient=COHORT.patients
        ),
        genes=resource("identity_genes.tsv"),
    output:
        identity=expand(
            "results/embedding/{patient}.identity.tsv", patient=COHORT.patients
        ),
    log:
        "logs/check_identity.log",
    benchmark:
        "benchmarks/check_identity/all.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("check_identity"),
        patients=COHORT.patients,
        visits={
            sample: {
                "patient": str(row.patient),
                "timepoint": str(row.timepoint),
                "day": int(row.day),
                "batch": str(row.batch or sample),
            }
            for sample, row in COHORT.samples.iterrows()
        },
        code=code("check_identity"),
        seed=config["seed"],
    script:
        "../../scripts/check_identity.py"
