# A Vastai card: `vamc` compiles a graph with its post-processing, `vamp` or a script over `vaststreamx` runs it over a list
# of files.
# Needs: an exported graph that passed its check, an engine that lacks nothing (preflight), tensor files of a shard, and
# for int8 the calibration images.
# Makes: results/<model>/<engine>/<variant>/{vdsp.json,compile.yaml,compiled,perf.json}, output files of a shard.


rule write_vdsp:
    """Write what the card does to a picture before the network."""
    input:
        script=script("write_vdsp"),
    output:
        vdsp="results/{model}/{engine}/{variant}/vdsp.json",
    log:
        "logs/{model}/{engine}/{variant}/vdsp.log",
    benchmark:
        "logs/{model}/{engine}/{variant}/vdsp.benchmark.tsv"
    wildcard_constraints:
        engine=pattern(POINTS.engines_of_kind("vastai")),
    localrule: True
    conda:
        ENVIRONMENT
    params:
        recipe=recipe_json,
        size=size_of,
        state=state("compile"),
    message:
        "{wildcards.model} on {wildcards.engine}, {wildcards.variant}: the card's preprocessing"
    shell:
        "python {input.script:q} --recipe {params.recipe:q} --size {params.size} --vdsp {output.vdsp:q} 2> {log:q}"


rule compile_vastai:
    """Compile a graph for the card with vamc."""
    input:
        script=script("accept_vamc"),
        write=script("write_vamc_yaml"),
        ready=ready_of,
        graph=graph_of,
        parity=parity_of,
        calibration=calibration_of,
    output:
        yaml="results/{model}/{engine}/{variant}/compile.yaml",
        compiled=directory("results/{model}/{engine}/{variant}/compiled"),
    log:
        "logs/{model}/{engine}/{variant}/compile.log",
    benchmark:
        "logs/{model}/{engine}/{variant}/compile.benchmark.tsv"
    wildcard_constraints:
        engine=pattern(POINTS.engines_of_kind("vastai")),
    conda:
        ENVIRONMENT
    params:
        environment=environment_of,
        recipe=recipe_json,
        size=size_of,
        precision=precision_of,
        options=compile_json,
        calibration=calibration_options,
        place="scratch/{model}/{engine}/{variant}/vamc",
        settings=not_remembered(engine_json),
        printed="logs/{model}/{engine}/{variant}/vamc.txt",
        state=state("compile"),
    message:
        "{wildcards.model} on {wildcards.engine}, {wildcards.variant}: compile"
    shell:
        "mkdir -p {params.place}.$$;"
        " python {input.write:q} --recipe {params.recipe:q} --size {params.size} --graph {input.graph:q}"
        " --precision {params.precision} --compile {params.options:q} --workspace {params.place}.$$ --name compiled"
        " {params.calibration} --yaml {output.yaml:q} 2> {log:q};"
        " ({params.environment}vamc compile {output.yaml:q}) > {params.printed:q} 2>&1 && status=0 || status=$?;"
        " python {input.script:q} --status $status --printed {params.printed:q} --made {params.place}.$$"
        " --settings {params.settings:q} --compiled {output.compiled:q} 2> {log:q}"


rule infer_vamp:
    """Run the list of a shard's files on the card with vamp."""
    input:
        script=script("accept_vamp"),
        ready=ready_of,
        compiled="results/{model}/{engine}/{variant}/compiled",
        vdsp="results/{model}/{engine}/{variant}/vdsp.json",
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
        engine=pattern(POINTS.engines_by_runner("vamp")),
    conda:
        ENVIRONMENT
    resources:
        card=cards_of,
    params:
        environment=environment_of,
        place="scratch/{model}/{engine}/{variant}/{state}/{shard}/vamp",
        device=device_of,
        recipe=recipe_json,
        size=size_of,
        batch=batch_of,
        settings=not_remembered(engine_json),
        printed="logs/{model}/{engine}/{variant}/{state}/vamp-{shard}.txt",
        state=state("infer"),
    message:
        "{wildcards.model} on {wildcards.engine}, {wildcards.variant}: infer shard {wildcards.shard}"
    shell:
        "mkdir -p {params.place}.$$/outputs;"
        " ({params.environment}vamp -m {input.compiled:q}/mod --vdsp_params {input.vdsp:q} -d {params.device} -i 1 -p 1"
        " -b {params.batch} --datalist {input.inputs:q}/datalist.txt --path_output {params.place}.$$/outputs)"
        " > {params.printed:q} 2>&1 && status=0 || status=$?;"
        " python {input.script:q} --status $status --printed {params.printed:q} --made {params.place}.$$"
        " --settings {params.settings:q} --ready {input.ready:q} --index {input.index:q} --shard {wildcards.shard}"
        " --recipe {params.recipe:q} --size {params.size} --inputs {input.inputs:q}"
        " --outputs {output.outputs:q} --run {output.run:q} 2> {log:q}"


rule infer_vaststreamx:
    """Run the list of a shard's files on the card by the vendor's Python interface."""
    input:
        script=script("accept_vaststreamx"),
        infer=str(VENDOR / "vaststreamx_infer.py"),
        ready=ready_of,
        compiled="results/{model}/{engine}/{variant}/compiled",
        vdsp="results/{model}/{engine}/{variant}/vdsp.json",
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
        engine=pattern(POINTS.engines_by_runner("vaststreamx")),
    conda:
        ENVIRONMENT
    resources:
        card=cards_of,
    params:
        environment=environment_of,
        python=python_of,
        place="scratch/{model}/{engine}/{variant}/{state}/{shard}/vaststreamx",
        device=device_of,
        recipe=recipe_json,
        size=size_of,
        batch=batch_of,
        settings=not_remembered(engine_json),
        printed="logs/{model}/{engine}/{variant}/{state}/vaststreamx-{shard}.txt",
        state=state("infer"),
    message:
        "{wildcards.model} on {wildcards.engine}, {wildcards.variant}: infer shard {wildcards.shard}"
    shell:
        "({params.environment}{params.python} {input.infer:q} --model-prefix {input.compiled:q}/mod"
        " --vdsp-params {input.vdsp:q} --device {params.device} --batch {params.batch}"
        " --datalist {input.inputs:q}/datalist.txt --outputs {params.place}.$$/outputs"
        " --report {params.place}.$$/report.json) > {params.printed:q} 2>&1 && status=0 || status=$?;"
        " python {input.script:q} --status $status --printed {params.printed:q} --made {params.place}.$$"
        " --settings {params.settings:q} --ready {input.ready:q} --index {input.index:q} --shard {wildcards.shard}"
        " --recipe {params.recipe:q} --size {params.size} --inputs {input.inputs:q}"
        " --outputs {output.outputs:q} --run {output.run:q} 2> {log:q}"


rule bench_vastai:
    """Throughput of the card with several instances, and the latency of one picture at a time."""
    input:
        script=script("bench_vamp"),
        ready=ready_of,
        compiled="results/{model}/{engine}/{variant}/compiled",
        vdsp="results/{model}/{engine}/{variant}/vdsp.json",
        parity=parity_of,
    output:
        perf="results/{model}/{engine}/{variant}/perf.json",
    log:
        "logs/{model}/{engine}/{variant}/bench.log",
    benchmark:
        "logs/{model}/{engine}/{variant}/bench.benchmark.tsv"
    wildcard_constraints:
        engine=pattern(POINTS.engines_of_kind("vastai")),
    conda:
        ENVIRONMENT
    threads: cores_for_one_alone
    resources:
        card=cards_of,
    params:
        environment=environment_of,
        device=device_of,
        batch=batch_of,
        instances=instances_of,
        iterations=iterations_of,
        settings=not_remembered(engine_json),
        many="logs/{model}/{engine}/{variant}/vamp-throughput.txt",
        one="logs/{model}/{engine}/{variant}/vamp-latency.txt",
        state=state("bench"),
    message:
        "{wildcards.model} on {wildcards.engine}, {wildcards.variant}: measure throughput and latency"
    shell:
        "({params.environment}vamp -m {input.compiled:q}/mod --vdsp_params {input.vdsp:q} -d {params.device}"
        " -i {params.instances} -p 1 -b {params.batch} --iterations {params.iterations}) > {params.many:q} 2>&1"
        " && status=0 || status=$?;"
        " ({params.environment}vamp -m {input.compiled:q}/mod --vdsp_params {input.vdsp:q} -d {params.device}"
        " -i 1 -p 1 -b 1 --forward_mode 1 --iterations {params.iterations}) > {params.one:q} 2>&1"
        " && one=0 || one=$?;"
        " python {input.script:q} --status $status --printed {params.many:q} --latency-status $one"
        " --latency-printed {params.one:q} --settings {params.settings:q} --ready {input.ready:q}"
        " --parity {input.parity:q} --perf {output.perf:q} 2> {log:q}"
