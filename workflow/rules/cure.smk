# Needs: clinical tables (all optional), clone fractions, joint draws, labels and resistance per patient.
# Gives: scored quality-of-life forms, and per patient and landmark the tier, the score, its
# intervals and the reason in words; risk, apart from it;
# changes since the landmark before, completion of forms, sensitivity to judgement; of a cohort with outcomes, how
# well the score foretells them. Research use only.

FOLLOWED = [p for p in COHORT.patients if p not in COHORT.healthy]
SAMPLE_DAYS = {
    patient: [
        [
            COHORT.samples.loc[sample, "timepoint"],
            int(COHORT.samples.loc[sample, "day"]),
        ]
        for sample in COHORT.samples_of(patient)
    ]
    for patient in FOLLOWED
}
# what a landmark is read from
EVIDENCE = dict(
    mrd=clinical("mrd"),
    imaging=clinical("imaging"),
    response=clinical("response"),
    therapy=clinical("therapy"),
    cytogenetics=clinical("cytogenetics"),
    pro=clinical("pro"),
    qol="results/cure/qol.tsv",
    fractions=expand("results/evolution/{patient}.fractions.tsv", patient=FOLLOWED),
    draws=expand("results/evolution/{patient}.draws.parquet", patient=FOLLOWED),
    labels=expand("results/evolution/{patient}.labels.tsv", patient=FOLLOWED),
    resistance=expand("results/evolution/{patient}.resistance.tsv", patient=FOLLOWED),
)


rule score_qol:
    """Score every quality-of-life form, exactly by its manual."""
    input:
        pro=clinical("pro"),
        value_sets=list(settings("score_qol")["value_sets"].values()),
    output:
        qol="results/cure/qol.tsv",
    log:
        "logs/score_qol.log",
    benchmark:
        "benchmarks/score_qol/all.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("score_qol"),
        code=code("score_qol"),
        seed=config["seed"],
    script:
        "../../scripts/score_qol.py"


rule score_landmarks:
    """Place every patient on the cure spectrum at every landmark, from what was known then."""
    input:
        **EVIDENCE,
    output:
        landmarks="results/cure/landmarks.tsv",
    log:
        "logs/score_landmarks.log",
    benchmark:
        "benchmarks/score_landmarks/all.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("score_landmarks"),
        samples=SAMPLE_DAYS,
        code=code("score_landmarks"),
        seed=config["seed"],
    script:
        "../../scripts/score_landmarks.py"


rule annotate_risk:
    """Stage every landmark by what was known of genome and laboratory then, apart from the state."""
    input:
        landmarks="results/cure/landmarks.tsv",
        response=clinical("response"),
        therapy=clinical("therapy"),
        cytogenetics=clinical("cytogenetics"),
        panels=expand("results/copy_number/{patient}.panel.tsv", patient=FOLLOWED),
        fractions=expand("results/evolution/{patient}.fractions.tsv", patient=FOLLOWED),
    output:
        risk="results/cure/risk.tsv",
    log:
        "logs/annotate_risk.log",
    benchmark:
        "benchmarks/annotate_risk/all.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("annotate_risk"),
        patients=FOLLOWED,
        code=code("annotate_risk"),
        seed=config["seed"],
    script:
        "../../scripts/annotate_risk.py"


rule compare_landmarks:
    """Say of every landmark whether the score changed since the one before, by paired draws."""
    input:
        **EVIDENCE,
        landmarks="results/cure/landmarks.tsv",
    output:
        changes="results/cure/changes.tsv",
    log:
        "logs/compare_landmarks.log",
    benchmark:
        "benchmarks/compare_landmarks/all.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("compare_landmarks"),
        scoring=settings("score_landmarks"),
        samples=SAMPLE_DAYS,
        code=code("compare_landmarks"),
        seed=config["seed"],
    script:
        "../../scripts/compare_landmarks.py"


rule compare_qol:
    """Follow quality of life through time: important changes, and which forms are there."""
    input:
        qol="results/cure/qol.tsv",
        landmarks="results/cure/landmarks.tsv",
    output:
        changes="results/cure/qol_change.tsv",
        completion="results/cure/completion.tsv",
    log:
        "logs/compare_qol.log",
    benchmark:
        "benchmarks/compare_qol/all.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("compare_qol"),
        window=settings("score_landmarks")["quality_window_days"],
        code=code("compare_qol"),
        seed=config["seed"],
    script:
        "../../scripts/compare_qol.py"


rule vary_judgement:
    """Show how far score and tier hang on constants that are judgement."""
    input:
        **EVIDENCE,
    output:
        sensitivity="results/cure/sensitivity.tsv",
    log:
        "logs/vary_judgement.log",
    benchmark:
        "benchmarks/vary_judgement/all.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("vary_judgement"),
        scoring=settings("score_landmarks"),
        samples=SAMPLE_DAYS,
        code=code("vary_judgement"),
        seed=config["seed"],
    script:
        "../../scripts/vary_judgement.py"


rule fit_outlook:
    """Hold the score against the cohort's own outcomes, beside plain benchmarks; apart from the state."""
    input:
        landmarks="results/cure/landmarks.tsv",
        outcome=clinical("outcome"),
        response=clinical("response"),
    output:
        outlook="results/cure/outlook.tsv",
        foretold="results/cure/foretold.tsv",
    log:
        "logs/fit_outlook.log",
    benchmark:
        "benchmarks/fit_outlook/all.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        settings=settings("fit_outlook"),
        code=code("fit_outlook"),
        seed=config["seed"],
    script:
        "../../scripts/fit_outlook.py"
