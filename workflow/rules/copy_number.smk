# Needs: counts per capture (cells), cell types, clonotypes and drivers (embedding), clones per cell (clones, for arms).
# Gives: copy-number signal per patient, the reference and baseline it stands on, malignant calls, arm states,
# the high-risk panel.


rule infer_signal:
    """Copy-number signal over all timepoints of a patient, against a stated reference."""
    input:
        counts=counts_of_patient,
        donor_counts=counts_of_donors,
        # light chains come from the counts as read: their calls take the soup's part out themselves
        as_read=lambda wildcards: (
            expand(
                "results/cells/{sample}.counts.h5ad",
                sample=COHORT.samples_of(wildcards.patient)
                + COHORT.donor_samples_for(wildcards.patient),
            )
            if DENOISED
            else []
        ),
        cells="results/embedding/cells.tsv.gz",
        # normal plasma cells of another study, where the configuration names some
        profile=[p for p in [settings("infer_signal")["reference_profile"]] if p],
        exclusions=resource("cnv_exclusions.tsv"),
        markers=resource("markers.tsv"),
        genes=resource("genes.tsv.gz"),
    output:
        signal="results/copy_number/{patient}.signal.h5ad",
        reference="results/copy_number/{patient}.reference.tsv",
        baseline="results/copy_number/{patient}.baseline.tsv.gz",
    log:
        "logs/infer_signal/{patient}.log",
    benchmark:
        "benchmarks/infer_signal/{patient}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("infer_signal"),
        calls=settings("call_malignant"),
        tumour_cell_types=config["tumour_cell_types"],
        donors=lambda wildcards: COHORT.donors_for(wildcards.patient),
        code=code("infer_signal"),
        seed=config["seed"],
        device=config["device"],
    script:
        "../../scripts/infer_signal.py"


rule call_malignant:
    """Malignant, normal or unassigned per tumour-type cell, with posterior and evidence."""
    input:
        counts=counts_of_patient,
        donor_counts=counts_of_donors,
        signal="results/copy_number/{patient}.signal.h5ad",
        reference="results/copy_number/{patient}.reference.tsv",
        baseline="results/copy_number/{patient}.baseline.tsv.gz",
        clonality="results/embedding/{patient}.clonality.tsv.gz",
        drivers="results/embedding/{patient}.drivers.tsv",
    output:
        malignant="results/copy_number/{patient}.malignant.tsv.gz",
        calls="results/copy_number/{patient}.calls.tsv",
        scores="results/copy_number/{patient}.scores.tsv.gz",
    log:
        "logs/call_malignant/{patient}.log",
    benchmark:
        "benchmarks/call_malignant/{patient}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("call_malignant"),
        code=code("call_malignant"),
        seed=config["seed"],
    script:
        "../../scripts/call_malignant.py"


rule call_arms:
    """Integer state of every chromosome arm, per clone and for all malignant cells; the high-risk panel."""
    input:
        counts=counts_of_patient,
        cells="results/clones/{patient}.cells.tsv.gz",
        reference="results/copy_number/{patient}.reference.tsv",
        baseline="results/copy_number/{patient}.baseline.tsv.gz",
        drivers="results/embedding/{patient}.drivers.tsv",
    output:
        arms="results/copy_number/{patient}.arms.tsv",
        panel="results/copy_number/{patient}.panel.tsv",
    log:
        "logs/call_arms/{patient}.log",
    benchmark:
        "benchmarks/call_arms/{patient}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("call_arms"),
        genes_per_bin=config["clones"]["profile_clones"]["genes_per_segment"],
        code=code("call_arms"),
        seed=config["seed"],
    script:
        "../../scripts/call_arms.py"
