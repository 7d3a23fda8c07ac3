# Huawei Ascend by torch_aie: a script in the vendor's interpreter compiles a traced network in its own process and runs it
# over tensor files. Needs: a trace that passed its check, an engine that lacks nothing (preflight), tensor files of a
# shard. Makes: results/<model>/<engine>/<variant>/perf.json (and model.ts with its check where the vendor's torch
# traces), output files of a shard.


rule trace_for_torch_aie:
    """Trace the network in the vendor's interpreter, whose torch may be too old for a trace of ours."""
    input:
        script=str(VENDOR / "trace_network.py"),
        ready=ready_of,
        weights=evidence_of_weights,
    output:
        graph="results/{model}/{engine}/{variant}/model.ts",
    log:
        "logs/{model}/{engine}/{variant}/trace.log",
    benchmark:
        "logs/{model}/{engine}/{variant}/trace.benchmark.tsv"
    wildcard_constraints:
        engine=pattern(POINTS.traced_by_vendor()),
    conda:
        ENVIRONMENT
    params:
        environment=environment_of,
        python=python_of,
        source=str(ROOT / "src"),
        network=network_of,
        weights=weights_of,
        size=size_of,
        state=state("trace"),
    message:
        "{wildcards.model} on {wildcards.engine}, {wildcards.variant}: trace in the vendor's interpreter"
    shell:
        "({params.environment}{params.python} {input.script:q} --source {params.source:q} --network {params.network}"
        " --weights {params.weights:q} --size {params.size} --ts {output.graph:q}) > {log:q} 2>&1"


use rule check_export as check_vendor_trace with:
    input:
        script=script("check_export"),
        graph="results/{model}/{engine}/{variant}/model.ts",
        reference=reference_of,
        index=index_of,
        images=images_of_model,
    output:
        parity="results/{model}/{engine}/{variant}/model.ts.parity.json",
    log:
        "logs/{model}/{engine}/{variant}/check.log",
    benchmark:
        "logs/{model}/{engine}/{variant}/check.benchmark.tsv"
    wildcard_constraints:
        engine=pattern(POINTS.traced_by_vendor()),
    params:
        network=network_of,
        kind="torchscript",
        recipe=preprocess_json,
        size=size_of,
        tolerance=tolerance_options,
        state=state("trace_check"),
    message:
        "{wildcards.model} on {wildcards.engine}, {wildcards.variant}: hold the trace to PyTorch"


rule infer_torch_aie:
    """Compile the trace and run the tensor files of a shard on the card."""
    input:
        script=script("accept_torch_aie"),
        infer=str(VENDOR / "torch_aie_infer.py"),
        ready=ready_of,
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
        engine=pattern(POINTS.engines_of_kind("torch_aie")),
    conda:
        ENVIRONMENT
    resources:
        card=cards_of,
    params:
        environment=environment_of,
        python=python_of,
        folder=inputs_folder_of,
        place="scratch/{model}/{engine}/{variant}/{state}/{shard}/torch_aie",
        numbers=output_numbers_of,
        shape=input_shape_of,
        precision=precision_of,
        device=device_of,
        set_device=set_device_of,
        recipe=recipe_json,
        size=size_of,
        settings=not_remembered(engine_json),
        printed="logs/{model}/{engine}/{variant}/{state}/torch_aie-{shard}.txt",
        state=state("infer"),
    message:
        "{wildcards.model} on {wildcards.engine}, {wildcards.variant}: infer shard {wildcards.shard}"
    shell:
        "({params.environment}{params.python} {input.infer:q} --ts {input.graph:q} --inputs {input.inputs:q}/{params.folder}"
        " --outputs {params.place}.$$/outputs --numbers {params.numbers} --shape {params.shape}"
        " --precision {params.precision} --device {params.device} --set-device {params.set_device}"
        " --report {params.place}.$$/report.json) > {params.printed:q} 2>&1 && status=0 || status=$?;"
        " python {input.script:q} --status $status --printed {params.printed:q} --made {params.place}.$$"
        " --settings {params.settings:q} --ready {input.ready:q} --index {input.index:q} --shard {wildcards.shard}"
        " --recipe {params.recipe:q} --size {params.size} --outputs {output.outputs:q} --run {output.run:q} 2> {log:q}"


rule bench_torch_aie:
    """Both rates that were published: of the card alone, and of the whole loop over files."""
    input:
        script=script("bench_torch_aie"),
        prepare=script("prepare"),
        infer=str(VENDOR / "torch_aie_infer.py"),
        ready=ready_of,
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
        engine=pattern(POINTS.engines_of_kind("torch_aie")),
    conda:
        ENVIRONMENT
    threads: cores_for_one_alone
    resources:
        card=cards_of,
    params:
        environment=environment_of,
        python=python_of,
        folder=inputs_folder_of,
        place="scratch/{model}/{engine}/{variant}/torch_aie",
        images=105,
        numbers=output_numbers_of,
        shape=input_shape_of,
        precision=precision_of,
        device=device_of,
        set_device=set_device_of,
        recipe=preprocess_json,
        size=size_of,
        settings=not_remembered(engine_json),
        printed="logs/{model}/{engine}/{variant}/torch_aie.txt",
        state=state("bench"),
    message:
        "{wildcards.model} on {wildcards.engine}, {wildcards.variant}: measure both rates"
    shell:
        "python {input.prepare:q} --index {input.index:q} --shard 1-of-1 --most {params.images} --recipe {params.recipe:q}"
        " --size {params.size} --inputs {params.place}.$$/inputs 2> {log:q};"
        " ({params.environment}{params.python} {input.infer:q} --ts {input.graph:q}"
        " --inputs {params.place}.$$/inputs/{params.folder} --outputs {params.place}.$$/outputs"
        " --numbers {params.numbers} --shape {params.shape} --precision {params.precision} --device {params.device}"
        " --set-device {params.set_device} --report {params.place}.$$/report.json) > {params.printed:q} 2>&1"
        " && status=0 || status=$?;"
        " python {input.script:q} --status $status --printed {params.printed:q} --made {params.place}.$$"
        " --settings {params.settings:q} --ready {input.ready:q} --parity {input.parity:q} --perf {output.perf:q} 2> {log:q}"
