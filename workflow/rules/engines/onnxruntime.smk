# ONNX Runtime in a process of the workflow, with one pass (`route: stream`) or over tensor files (`route: files`).
# Needs: an exported graph that passed its check, the dataset's index.
# Makes: detections or output files of a shard, results/<model>/<engine>/<variant>/perf.json.


rule stream_onnxruntime:
    """Read, preprocess, infer and decode the images of a shard in one pass."""
    input:
        script=script("stream"),
        graph=graph_of,
        parity=parity_of,
        index=index_of,
        images=images_of_model,
    output:
        detections="scratch/{model}/{engine}/{variant}/{state}/{shard}/detections.npz",
        run="scratch/{model}/{engine}/{variant}/{state}/{shard}/run.json",
    log:
        "logs/{model}/{engine}/{variant}/{state}/stream-{shard}.log",
    benchmark:
        "logs/{model}/{engine}/{variant}/{state}/stream-{shard}.benchmark.tsv"
    wildcard_constraints:
        engine=pattern(POINTS.engines_of("stream", "onnxruntime")),
    conda:
        ENVIRONMENT
    threads: threads_of
    params:
        kind=kind_of,
        network=network_of,
        options=session_json,
        recipe=recipe_json,
        size=size_of,
        batch=batch_of,
        state=state("detect"),
    message:
        "{wildcards.model} on {wildcards.engine}, {wildcards.variant}: detect in shard {wildcards.shard}"
    shell:
        "python {input.script:q} --kind {params.kind} --graph {input.graph:q} --checked {input.parity:q}"
        " --network {params.network}"
        " --options {params.options:q} --index {input.index:q} --shard {wildcards.shard} --recipe {params.recipe:q}"
        " --size {params.size} --batch {params.batch} --detections {output.detections:q} --run {output.run:q} 2> {log:q}"


rule infer_onnxruntime:
    """Run the tensor files of a shard."""
    input:
        script=script("infer_files"),
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
        engine=pattern(POINTS.engines_of("files", "onnxruntime")),
    conda:
        ENVIRONMENT
    threads: threads_of
    params:
        kind=kind_of,
        network=network_of,
        options=session_json,
        recipe=device_json,
        size=size_of,
        batch=batch_of,
        state=state("infer"),
    message:
        "{wildcards.model} on {wildcards.engine}, {wildcards.variant}: infer shard {wildcards.shard}"
    shell:
        "python {input.script:q} --kind {params.kind} --graph {input.graph:q} --checked {input.parity:q}"
        " --network {params.network}"
        " --options {params.options:q} --index {input.index:q} --shard {wildcards.shard} --recipe {params.recipe:q}"
        " --size {params.size} --inputs {input.inputs:q} --batch {params.batch} --outputs {output.outputs:q} --run {output.run:q} 2> {log:q}"


rule bench_onnxruntime:
    """Latency and throughput of the graph alone, with no other job beside it."""
    input:
        script=script("bench"),
        graph=graph_of,
        parity=parity_of,
        index=index_of,
        images=images_of_model,
    output:
        perf="results/{model}/{engine}/{variant}/perf.json",
    log:
        "logs/{model}/{engine}/{variant}/bench.log",
    benchmark:
        "logs/{model}/{engine}/{variant}/bench.benchmark.tsv"
    wildcard_constraints:
        engine=pattern(POINTS.engines_of_kind("onnxruntime")),
    conda:
        ENVIRONMENT
    threads: all_cores
    params:
        kind=kind_of,
        network=network_of,
        options=session_json,
        recipe=preprocess_json,
        size=size_of,
        batch=batch_of,
        state=state("bench"),
    message:
        "{wildcards.model} on {wildcards.engine}, {wildcards.variant}: measure latency"
    shell:
        "python {input.script:q} --kind {params.kind} --graph {input.graph:q} --checked {input.parity:q}"
        " --network {params.network}"
        " --options {params.options:q} --index {input.index:q} --recipe {params.recipe:q} --size {params.size}"
        " --batch {params.batch} --perf {output.perf:q} 2> {log:q}"
