# Needs: clones and malignant calls of a patient, cell types of the cohort, raw counts, clinical tables.
# Gives: results/evolution/{patient}.*: fractions, burden, draws, dynamics, labels, trajectory, resistance.


rule build_tree:
    """Place copy-number events on a rooted tree of the clones."""
    input:
        arms="results/copy_number/{patient}.arms.tsv",
        profiles="results/clones/{patient}.profiles.tsv",
        cells="results/clones/{patient}.cells.tsv.gz",
    output:
        table="results/evolution/{patient}.tree.tsv",
        newick="results/evolution/{patient}.nwk",
    log:
        "logs/build_tree/{patient}.log",
    benchmark:
        "benchmarks/build_tree/{patient}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("build_tree"),
        days=lambda wildcards: {
            s: int(COHORT.samples.loc[s, "day"])
            for s in COHORT.samples_of(wildcards.patient)
        },
        code=code("build_tree"),
        seed=config["seed"],
    script:
        "../../scripts/build_tree.py"


rule estimate_fractions:
    """Clone fractions per sample, burden per day, joint posterior draws."""
    input:
        clones="results/clones/{patient}.cells.tsv.gz",
        malignant="results/copy_number/{patient}.malignant.tsv.gz",
        cells="results/embedding/cells.tsv.gz",
        healthy=expand(
            "results/copy_number/{donor}.malignant.tsv.gz", donor=COHORT.healthy
        ),
        mrd=clinical("mrd"),
        response=clinical("response"),
    output:
        fractions="results/evolution/{patient}.fractions.tsv",
        burden="results/evolution/{patient}.burden.tsv",
        draws="results/evolution/{patient}.draws.parquet",
    log:
        "logs/estimate_fractions/{patient}.log",
    benchmark:
        "benchmarks/estimate_fractions/{patient}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("estimate_fractions"),
        code=code("estimate_fractions"),
        seed=config["seed"],
        samples=lambda wildcards: COHORT.visits_of(wildcards.patient),
        prior_cells=config["clones"]["infer_clones"]["fraction_prior_cells"],
    script:
        "../../scripts/estimate_fractions.py"


rule estimate_dynamics:
    """Growth and relative fitness of each clone between sampling days."""
    input:
        draws="results/evolution/{patient}.draws.parquet",
        fractions="results/evolution/{patient}.fractions.tsv",
        burden="results/evolution/{patient}.burden.tsv",
        therapy=clinical("therapy"),
        response=clinical("response"),
    output:
        dynamics="results/evolution/{patient}.dynamics.tsv",
        latent="results/evolution/{patient}.latent.tsv",
        course="results/evolution/{patient}.course.tsv",
    log:
        "logs/estimate_dynamics/{patient}.log",
    benchmark:
        "benchmarks/estimate_dynamics/{patient}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("estimate_dynamics"),
        readings=settings("estimate_fractions"),
        code=code("estimate_dynamics"),
        seed=config["seed"],
        blood=lambda wildcards: COHORT.blood_samples_of(wildcards.patient),
    script:
        "../../scripts/estimate_dynamics.py"


rule assess_states:
    """Cycling cells and programmes of every clone at every sampling day."""
    input:
        counts=counts_of_patient,
        qc=of_patient("results/cells/{sample}.qc.tsv.gz"),
        malignant="results/copy_number/{patient}.malignant.tsv.gz",
        clones="results/clones/{patient}.cells.tsv.gz",
        arms="results/copy_number/{patient}.arms.tsv",
        baseline="results/copy_number/{patient}.baseline.tsv.gz",
        programmes=resource("programmes.tsv"),
        gene_sets=list(settings("assess_states")["gene_sets"].values()),
    output:
        state="results/evolution/{patient}.state.tsv",
    log:
        "logs/assess_states/{patient}.log",
    benchmark:
        "benchmarks/assess_states/{patient}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("assess_states"),
        code=code("assess_states"),
        seed=config["seed"],
        days=lambda wildcards: {
            name: row["day"]
            for name, row in COHORT.visits_of(wildcards.patient).items()
        },
    script:
        "../../scripts/assess_states.py"


rule label_clones:
    """What each clone was doing at each sampling day; the patient's trajectory."""
    input:
        draws="results/evolution/{patient}.draws.parquet",
        fractions="results/evolution/{patient}.fractions.tsv",
        burden="results/evolution/{patient}.burden.tsv",
        dynamics="results/evolution/{patient}.dynamics.tsv",
        state="results/evolution/{patient}.state.tsv",
        tree="results/evolution/{patient}.tree.tsv",
        reference="results/copy_number/{patient}.reference.tsv",
        response=clinical("response"),
    output:
        labels="results/evolution/{patient}.labels.tsv",
        trajectory="results/evolution/{patient}.trajectory.tsv",
    log:
        "logs/label_clones/{patient}.log",
    benchmark:
        "benchmarks/label_clones/{patient}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("label_clones"),
        code=code("label_clones"),
        seed=config["seed"],
        blood=lambda wildcards: COHORT.blood_samples_of(wildcards.patient),
    script:
        "../../scripts/label_clones.py"


rule assess_resistance:
    """Evidence of resistance per clone, day and drug class; descriptive only."""
    input:
        counts=counts_of_patient,
        qc=of_patient("results/cells/{sample}.qc.tsv.gz"),
        malignant="results/copy_number/{patient}.malignant.tsv.gz",
        clones="results/clones/{patient}.cells.tsv.gz",
        cells="results/embedding/cells.tsv.gz",
        arms="results/copy_number/{patient}.arms.tsv",
        profiles="results/clones/{patient}.profiles.tsv",
        baseline="results/copy_number/{patient}.baseline.tsv.gz",
        dynamics="results/evolution/{patient}.dynamics.tsv",
        therapy=clinical("therapy"),
        panel=resource("resistance.tsv"),
        programmes=resource("programmes.tsv"),
        gene_sets=list(settings("assess_states")["gene_sets"].values()),
    output:
        resistance="results/evolution/{patient}.resistance.tsv",
    log:
        "logs/assess_resistance/{patient}.log",
    benchmark:
        "benchmarks/assess_resistance/{patient}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("assess_resistance"),
        code=code("assess_resistance"),
        seed=config["seed"],
        days=lambda wildcards: {
            name: row["day"]
            for name, row in COHORT.visits_of(wildcards.patient).items()
        },
    script:
        "../../scripts/assess_resistance.py"
