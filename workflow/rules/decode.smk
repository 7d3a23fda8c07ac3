# decode: output files become detections (engines with `route: files`).
# Makes: scratch/.../<state>/<shard>/detections.npz.


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
