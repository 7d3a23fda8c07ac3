# OpenCV's dnn module as an engine: an entry of the config names this file, and nothing else of the project changes.
# Needs: an exported graph that passed its check, tensor files of a shard. Makes: output files of a shard, perf.json.

OPENCV = Path(workflow.current_basedir.get_path_or_uri(secret_free=True))


rule infer_opencv:
    """Run the tensor files of a shard."""
    input:
        script=str(OPENCV / "infer.py"),
        graph=graph_of,
        parity=parity_of,
        index=index_of,
        inputs="scratch/{model}/{engine}/{variant}/{state}/{shard}/inputs",
    output:
        outputs=temp(
            directory("scratch/{model}/{engine}/{variant}/{state}/{shard}/outputs")
        ),
        run="scratch/{model}/{engine}/{variant}/{state}/{shard}/run.json",
    log:
        "logs/{model}/{engine}/{variant}/{state}/infer-{shard}.log",
    benchmark:
        "logs/{model}/{engine}/{variant}/{state}/infer-{shard}.benchmark.tsv"
    wildcard_constraints:
        engine=pattern(POINTS.engines_of_kind("opencv")),
    conda:
        ENVIRONMENT
    params:
        library=SCRIPTS,
        network=network_of,
        recipe=recipe_json,
        size=size_of,
        batch=batch_of,
        state=state("infer"),
    message:
        "{wildcards.model} on {wildcards.engine}, {wildcards.variant}: infer shard {wildcards.shard}"
    shell:
        "PYTHONPATH={params.library:q} python {input.script:q} --graph {input.graph:q} --network {params.network}"
        " --index {input.index:q} --shard {wildcards.shard} --recipe {params.recipe:q} --size {params.size}"
        " --batch {params.batch} --inputs {input.inputs:q} --outputs {output.outputs:q} --run {output.run:q} 2> {log:q}"
