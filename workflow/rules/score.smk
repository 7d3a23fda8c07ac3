# score: the shards' detections become one set, which is held against the ground truth, with the protocol in words and
# where everything came from. All results of a point are outputs of one rule: Snakemake removes outputs before a job, and
# of a job that fails or is killed it would not make again what lies behind a result that is still there.
# Makes: results/<model>/<engine>/<variant>/{map.txt,map.json,provenance.json,...}, results/<model>/{map.txt,map.json},
# and, when asked for, results/<model>/<engine>/<variant>/drawn and results/<model>/all.tsv.


# What both scores are asked for: put the shards together, then score them.
GATHER = (
    "python {input.gather:q} --index {input.index:q} --shards {input.shards:q} --recipe {params.recipe:q}"
    " --size {params.size} --detections {output.detections:q}"
)
SCORE = (
    "python {input.script:q} --model {wildcards.model} --network {params.network} --engine {wildcards.engine}"
    " --variant {wildcards.variant} --recipe {params.recipe:q} --size {params.size} --leaf {params.leaf:q}"
    " --leaf-hash {params.leaf_hash} --code {params.code} --index {input.index:q}"
    " --ground-truth {input.ground_truth:q} --parity {input.parity:q} --detections {output.detections:q}"
    " --runs {input.runs:q} --text {output.text:q} --json {output.json:q} --provenance {output.provenance:q}"
    " --curves {output.curves:q} {params.calibration} {params.training}"
)


rule score_widerface_point:
    """Put the shards of a point together, score them on WIDER FACE, and say what was scored, how, and with what."""
    input:
        script=script("score_widerface_point"),
        gather=script("gather"),
        index=index_of,
        ground_truth=ground_truth_of,
        parity=parity_of,
        calibration=calibration_list_of,
        training=training_record_of,
        trained_on=trained_images_of,
        shards=of_every_shard("detections.npz"),
        runs=of_every_shard("run.json"),
    output:
        detections="results/{model}/{engine}/{variant}/detections/detections.npz",
        texts=directory("results/{model}/{engine}/{variant}/detections/text"),
        text="results/{model}/{engine}/{variant}/map.txt",
        json="results/{model}/{engine}/{variant}/map.json",
        provenance="results/{model}/{engine}/{variant}/provenance.json",
        curves="results/{model}/{engine}/{variant}/precision_recall.npz",
    log:
        "logs/{model}/{engine}/{variant}/score.log",
    benchmark:
        "logs/{model}/{engine}/{variant}/score.benchmark.tsv"
    wildcard_constraints:
        model=pattern(POINTS.models_on("widerface")),
    conda:
        ENVIRONMENT
    params:
        network=network_of,
        recipe=recipe_json,
        size=size_of,
        leaf=leaf_json,
        calibration=calibration_told,
        training=training_told,
        leaf_hash=leaf_hash,
        code=chain_code,
        state=state("score"),
    message:
        "{wildcards.model} on {wildcards.engine}, {wildcards.variant}: score"
    shell:
        f"({GATHER} --texts {{output.texts:q}} && {SCORE}) 2> {{log:q}}"


rule score_coco_point:
    """Put the shards of a point together, score them on COCO, and say what was scored, how, and with what."""
    input:
        script=script("score_coco_point"),
        gather=script("gather"),
        index=index_of,
        ground_truth=ground_truth_of,
        parity=parity_of,
        calibration=calibration_list_of,
        training=training_record_of,
        trained_on=trained_images_of,
        shards=of_every_shard("detections.npz"),
        runs=of_every_shard("run.json"),
    output:
        detections="results/{model}/{engine}/{variant}/detections/detections.npz",
        records="results/{model}/{engine}/{variant}/detections/detections.json",
        summary="results/{model}/{engine}/{variant}/detections/evaluation_results.txt",
        text="results/{model}/{engine}/{variant}/map.txt",
        json="results/{model}/{engine}/{variant}/map.json",
        provenance="results/{model}/{engine}/{variant}/provenance.json",
        curves="results/{model}/{engine}/{variant}/precision_recall.npz",
    log:
        "logs/{model}/{engine}/{variant}/score.log",
    benchmark:
        "logs/{model}/{engine}/{variant}/score.benchmark.tsv"
    wildcard_constraints:
        model=pattern(POINTS.models_on("coco")),
    conda:
        ENVIRONMENT
    params:
        network=network_of,
        recipe=recipe_json,
        size=size_of,
        leaf=leaf_json,
        calibration=calibration_told,
        training=training_told,
        leaf_hash=leaf_hash,
        code=chain_code,
        state=state("score"),
    message:
        "{wildcards.model} on {wildcards.engine}, {wildcards.variant}: score"
    shell:
        f"({GATHER} && {SCORE} --records {{output.records:q}} --summary {{output.summary:q}}) 2> {{log:q}}"


rule plot_curves:
    """Draw the precision-recall curves of a point."""
    input:
        script=script("plot_curves"),
        curves="results/{model}/{engine}/{variant}/precision_recall.npz",
    output:
        picture="results/{model}/{engine}/{variant}/precision_recall.png",
    log:
        "logs/{model}/{engine}/{variant}/plot.log",
    benchmark:
        "logs/{model}/{engine}/{variant}/plot.benchmark.tsv"
    conda:
        ENVIRONMENT
    params:
        state=state("plot"),
    message:
        "{wildcards.model} on {wildcards.engine}, {wildcards.variant}: draw the curves"
    shell:
        "python {input.script:q} --curves {input.curves:q} --picture {output.picture:q}"
        " --title '{wildcards.model} on {wildcards.engine}, {wildcards.variant}' 2> {log:q}"


rule draw_detections:
    """Draw what a point found on the pictures."""
    input:
        script=script("draw_detections"),
        index=index_of,
        images=images_of_model,
        ground_truth=ground_truth_of,
        parity=parity_of,
        detections="results/{model}/{engine}/{variant}/detections/detections.npz",
    output:
        drawn=directory("results/{model}/{engine}/{variant}/drawn"),
    log:
        "logs/{model}/{engine}/{variant}/draw.log",
    benchmark:
        "logs/{model}/{engine}/{variant}/draw.benchmark.tsv"
    conda:
        ENVIRONMENT
    params:
        score_above=score_above,
        categories=categories_option,
        rehearsal=rehearsal_option,
        state=state("draw"),
    message:
        "{wildcards.model} on {wildcards.engine}, {wildcards.variant}: draw the detections"
    shell:
        "python {input.script:q} --index {input.index:q} --detections {input.detections:q}"
        " --parity {input.parity:q} --score-above {params.score_above} {params.categories} {params.rehearsal}"
        " --drawn {output.drawn:q} 2> {log:q}"


rule tabulate_points:
    """The results of every point of a model as one table, for a program or a spreadsheet."""
    input:
        script=script("tabulate_points"),
        maps=maps_of_model,
        costs=costs_of_model,
    output:
        table="results/{model}/all.tsv",
    log:
        "logs/{model}/all.log",
    benchmark:
        "logs/{model}/all.benchmark.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    params:
        state=state_of_model("all_points"),
    message:
        "{wildcards.model}: the results of every point"
    shell:
        "python {input.script:q} --maps {input.maps:q} --costs {input.costs:q} --table {output.table:q} 2> {log:q}"


rule report_headline:
    """The headline point of a model as the model's result."""
    input:
        unpack(headline_of),
    output:
        text="results/{model}/map.txt",
        json="results/{model}/map.json",
    log:
        "logs/{model}/headline.log",
    benchmark:
        "logs/{model}/headline.benchmark.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    params:
        state=state_of_model("headline"),
        presence=presence_of_headline,
    message:
        "{wildcards.model}: the headline result"
    shell:
        "(cp {input.text:q} {output.text:q}.$$.tmp && mv {output.text:q}.$$.tmp {output.text:q}"
        " && cp {input.json:q} {output.json:q}.$$.tmp && mv {output.json:q}.$$.tmp {output.json:q}) 2> {log:q}"
