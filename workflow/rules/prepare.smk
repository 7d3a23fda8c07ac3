# prepare: tensor files of a shard, for engines with `route: files`.
# Needs: the dataset's index. Makes: scratch/.../<state>/<shard>/inputs, removed once the shard is decoded.


rule prepare_shard:
    """Write the tensor files of a shard."""
    input:
        script=script("prepare"),
        index=index_of,
        images=images_of_model,
        earlier=earlier_shard,
    output:
        inputs=temp(
            directory("scratch/{model}/{engine}/{variant}/{state}/{shard}/inputs")
        ),
    log:
        "logs/{model}/{engine}/{variant}/{state}/prepare-{shard}.log",
    benchmark:
        "logs/{model}/{engine}/{variant}/{state}/prepare-{shard}.benchmark.tsv"
    wildcard_constraints:
        engine=pattern(POINTS.engines_of("files")),
    conda:
        ENVIRONMENT
    params:
        recipe=preprocess_json,
        size=size_of,
        raw=raw_option,
        state=state("prepare"),
    message:
        "{wildcards.model} on {wildcards.engine}, {wildcards.variant}: prepare shard {wildcards.shard}"
    shell:
        "python {input.script:q} --index {input.index:q} --shard {wildcards.shard} --recipe {params.recipe:q}"
        " --size {params.size} {params.raw} --inputs {output.inputs:q} 2> {log:q}"
