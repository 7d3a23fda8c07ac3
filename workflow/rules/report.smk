# report: a point scored on a dataset in WIDER FACE's layout as one page, with its pictures and its curves.
# Makes, when asked for: results/<model>/<engine>/<variant>/report.html, results/<model>/report.html.


rule write_report:
    """One page (HTML) on a point: figures, pictures with what was found, curves, protocol, hashes, provenance."""
    input:
        script=script("write_report"),
        index=index_of,
        images=images_of_model,
        ground_truth=ground_truth_of,
        sheet=sheet_of,
        epochs=epochs_of,
        detections="results/{model}/{engine}/{variant}/detections/detections.npz",
        json="results/{model}/{engine}/{variant}/map.json",
        provenance="results/{model}/{engine}/{variant}/provenance.json",
        curves="results/{model}/{engine}/{variant}/precision_recall.png",
    output:
        report="results/{model}/{engine}/{variant}/report.html",
    log:
        "logs/{model}/{engine}/{variant}/report.log",
    benchmark:
        "logs/{model}/{engine}/{variant}/report.benchmark.tsv"
    wildcard_constraints:
        model=pattern(POINTS.models_on("widerface")),
    conda:
        ENVIRONMENT
    params:
        score_above=score_above,
        sheet=sheet_option,
        epochs=epochs_option,
        command=not_remembered(report_command),
        state=state("report"),
    message:
        "{wildcards.model} on {wildcards.engine}, {wildcards.variant}: write the report"
    shell:
        "python {input.script:q} --json {input.json:q} --provenance {input.provenance:q} --index {input.index:q}"
        " --ground-truth {input.ground_truth:q} --detections {input.detections:q} --curves {input.curves:q}"
        " --score-above {params.score_above} {params.sheet} {params.epochs} --command {params.command:q}"
        " --report {output.report:q} 2> {log:q}"


rule report_model:
    """The report of the headline point of a model as the model's report."""
    input:
        report=headline_report_of,
    output:
        report="results/{model}/report.html",
    log:
        "logs/{model}/report.log",
    benchmark:
        "logs/{model}/report.benchmark.tsv"
    wildcard_constraints:
        model=pattern(POINTS.models_on("widerface")),
    localrule: True
    conda:
        ENVIRONMENT
    params:
        state=state_of_model("headline_report"),
    message:
        "{wildcards.model}: the report"
    shell:
        "(cp {input.report:q} {output.report:q}.$$.tmp && mv {output.report:q}.$$.tmp {output.report:q}) 2> {log:q}"
