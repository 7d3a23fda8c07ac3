# decode: output files become detections (engines with `route: files`); the shards of a point become one set.
# Makes: scratch/.../<state>/<shard>/detections.npz, results/<model>/<engine>/<variant>/detections/.


rule decode_shard:
    """Turn raw output files into detections in image coordinates."""
    input:
        script=script("decode"),
        index=index_of,
        inputs="scratch/{model}/{engine}/{variant}/{state}/{shard}/inputs",
        outputs="scratch/{model}/{engine}/{variant}/{state}/{shard}/outputs",
    output:
        detections="scratch/{model}/{engine}/{variant}/{state}/{shard}/detections.npz",
    log:
        "logs/{model}/{engine}/{variant}/{state}/decode-{shard}.log",
    benchmark:
        "logs/{model}/{engine}/{variant}/{state}/decode-{shard}.benchmark.tsv"
    wildcard_constraints:
        engine=pattern(POINTS.engines_of("files")),
    conda:
        ENVIRONMENT
    params:
        recipe=recipe_json,
        size=size_of,
        state=state("detect"),
    message:
        "{wildcards.model} on {wildcards.engine}, {wildcards.variant}: decode shard {wildcards.shard}"
    shell:
        "python {input.script:q} --index {input.index:q} --shard {wildcards.shard} --recipe {params.recipe:q}"
        " --size {params.size} --inputs {input.inputs:q} --outputs {input.outputs:q}"
        " --detections {output.detections:q} 2> {log:q}"


rule gather_detections:
    """Put the shards' detections together and write the official result texts."""
    input:
        script=script("gather"),
        index=index_of,
        shards=of_every_shard("detections.npz"),
    output:
        detections="results/{model}/{engine}/{variant}/detections/detections.npz",
        texts=directory("results/{model}/{engine}/{variant}/detections/text"),
    log:
        "logs/{model}/{engine}/{variant}/gather.log",
    benchmark:
        "logs/{model}/{engine}/{variant}/gather.benchmark.tsv"
    conda:
        ENVIRONMENT
    params:
        state=state("gather"),
    message:
        "{wildcards.model} on {wildcards.engine}, {wildcards.variant}: gather the shards"
    shell:
        "python {input.script:q} --index {input.index:q} --shards {input.shards:q}"
        " --detections {output.detections:q} --texts {output.texts:q} 2> {log:q}"
