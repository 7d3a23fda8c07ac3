# Huawei Ascend by CANN: `atc` compiles a graph, `ais_bench` runs it over tensor files.
# Needs: an exported graph that passed its check, an engine that lacks nothing (preflight), tensor files of a shard.
# Makes: results/<model>/<engine>/<variant>/{aipp.cfg,model.om,perf.json}, output files of a shard.
# What a vendor's command prints stays in logs/, in a file beside the job's own log, which holds one sentence of it.


rule write_aipp:
    """Write the preprocessing that the card is left to do."""
    input:
        script=script("write_aipp"),
    output:
        aipp="results/{model}/{engine}/{variant}/aipp.cfg",
    log:
        "logs/{model}/{engine}/{variant}/aipp.log",
    benchmark:
        "logs/{model}/{engine}/{variant}/aipp.benchmark.tsv"
    wildcard_constraints:
        engine=pattern(POINTS.engines_of_kind("ascend")),
    localrule: True
    conda:
        ENVIRONMENT
    params:
        recipe=preprocess_json,
        size=size_of,
        state=state("compile"),
    message:
        "{wildcards.model} on {wildcards.engine}, {wildcards.variant}: the card's preprocessing"
    shell:
        "python {input.script:q} --recipe {params.recipe:q} --size {params.size} --aipp {output.aipp:q} 2> {log:q}"


rule compile_ascend:
    """Compile a graph for the chip with CANN's atc."""
    input:
        script=script("accept_atc"),
        ready=ready_of,
        graph=compiled_graph_of,
        parity=parity_of,
        aipp=aipp_of,
    output:
        om="results/{model}/{engine}/{variant}/model.om",
    log:
        "logs/{model}/{engine}/{variant}/compile.log",
    benchmark:
        "logs/{model}/{engine}/{variant}/compile.benchmark.tsv"
    wildcard_constraints:
        engine=pattern(POINTS.engines_of_kind("ascend")),
    conda:
        ENVIRONMENT
    params:
        environment=environment_of,
        stem="results/{model}/{engine}/{variant}/model",
        shape=input_shape_of,
        soc_version=soc_version_of,
        options=atc_options,
        settings=not_remembered(engine_json),
        printed="logs/{model}/{engine}/{variant}/atc.txt",
        state=state("compile"),
    message:
        "{wildcards.model} on {wildcards.engine}, {wildcards.variant}: compile"
    shell:
        "({params.environment}atc --framework=5 --model={input.graph:q} --output={params.stem}.$$ --input_format=NCHW"
        " --input_shape=image:{params.shape} --log=error --soc_version={params.soc_version} {params.options})"
        " > {params.printed:q} 2>&1 && status=0 || status=$?;"
        " python {input.script:q} --status $status --printed {params.printed:q} --made {params.stem}.$$.om"
        " --settings {params.settings:q} --om {output.om:q} 2> {log:q}"


rule infer_ascend:
    """Run the tensor files of a shard on the card with ais_bench."""
    input:
        script=script("accept_ais_bench"),
        ready=ready_of,
        om="results/{model}/{engine}/{variant}/model.om",
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
        engine=pattern(POINTS.engines_of_kind("ascend")),
    conda:
        ENVIRONMENT
    resources:
        card=cards_of,
    params:
        environment=environment_of,
        python=python_of,
        folder=inputs_folder_of,
        place="scratch/{model}/{engine}/{variant}/{state}/{shard}/ais_bench",
        device=device_of,
        recipe=recipe_json,
        size=size_of,
        batch=batch_of,
        settings=not_remembered(engine_json),
        printed="logs/{model}/{engine}/{variant}/{state}/ais_bench-{shard}.txt",
        state=state("infer"),
    message:
        "{wildcards.model} on {wildcards.engine}, {wildcards.variant}: infer shard {wildcards.shard}"
    shell:
        "mkdir -p {params.place}.$$;"
        " ({params.environment}{params.python} -m ais_bench --model {input.om:q} --input {input.inputs:q}/{params.folder}"
        " --output {params.place}.$$ --output_dirname outputs --outfmt BIN --batchsize {params.batch}"
        " --device {params.device}) > {params.printed:q} 2>&1 && status=0 || status=$?;"
        " python {input.script:q} --status $status --printed {params.printed:q} --made {params.place}.$$"
        " --settings {params.settings:q} --ready {input.ready:q} --index {input.index:q} --shard {wildcards.shard}"
        " --recipe {params.recipe:q} --size {params.size} --batch {params.batch}"
        " --outputs {output.outputs:q} --run {output.run:q} 2> {log:q}"


rule bench_ascend:
    """Latency and throughput of the card alone: ais_bench without input files."""
    input:
        script=script("bench_ais_bench"),
        ready=ready_of,
        om="results/{model}/{engine}/{variant}/model.om",
        parity=parity_of,
    output:
        perf="results/{model}/{engine}/{variant}/perf.json",
    log:
        "logs/{model}/{engine}/{variant}/bench.log",
    benchmark:
        "logs/{model}/{engine}/{variant}/bench.benchmark.tsv"
    wildcard_constraints:
        engine=pattern(POINTS.engines_of_kind("ascend")),
    conda:
        ENVIRONMENT
    threads: cores_for_one_alone
    resources:
        card=cards_of,
    params:
        environment=environment_of,
        python=python_of,
        device=device_of,
        batch=batch_of,
        loops=loops_of,
        settings=not_remembered(engine_json),
        printed="logs/{model}/{engine}/{variant}/ais_bench.txt",
        state=state("bench"),
    message:
        "{wildcards.model} on {wildcards.engine}, {wildcards.variant}: measure latency"
    shell:
        "({params.environment}{params.python} -m ais_bench --model {input.om:q} --loop {params.loops}"
        " --batchsize {params.batch} --device {params.device}) > {params.printed:q} 2>&1 && status=0 || status=$?;"
        " python {input.script:q} --status $status --printed {params.printed:q} --settings {params.settings:q}"
        " --ready {input.ready:q} --parity {input.parity:q} --batch {params.batch} --loops {params.loops}"
        " --perf {output.perf:q} 2> {log:q}"
