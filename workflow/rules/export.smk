# export: a checkpoint becomes graphs, each checked against PyTorch on real images before anything may use it.
# Needs: weights, the dataset's index.
# Makes: results/<model>/export/<size>/{model.{onnx,ts}[.parity.json],model_{cast,cast_back}.onnx,complexity.json}.


rule formula_weights:
    """Make weights of a formula, for a run without trained ones."""
    input:
        script=script("formula_weights"),
    output:
        weights="scratch/{model}/formula.pth",
    log:
        "logs/{model}/export/formula.log",
    benchmark:
        "logs/{model}/export/formula.benchmark.tsv"
    wildcard_constraints:
        model=pattern(POINTS.formula_models()),
    conda:
        ENVIRONMENT
    params:
        network=network_of,
        rules=formula_json,
        state=state_of_model("formula"),
    message:
        "{wildcards.model}: weights by formula"
    shell:
        "python {input.script:q} --network {params.network} --rules {params.rules:q} --weights {output.weights:q}"
        " 2> {log:q}"


rule export_onnx:
    """Write the network with its weights as an ONNX graph."""
    input:
        script=script("export_graph"),
        weights=evidence_of_weights,
    output:
        graph="results/{model}/export/{size}/model.onnx",
    log:
        "logs/{model}/export/{size}/onnx.log",
    benchmark:
        "logs/{model}/export/{size}/onnx.benchmark.tsv"
    conda:
        ENVIRONMENT
    params:
        network=network_of,
        weights=weights_of,
        hashes=weights_hashes,
        opset=opset_of,
        ir_version=ir_option,
        dynamic=dynamic_of,
        state=state_of_graph("export", "onnx"),
    message:
        "{wildcards.model}: export to ONNX, size {wildcards.size}"
    shell:
        "python {input.script:q} --network {params.network} --weights {params.weights:q} {params.hashes} --format onnx"
        " --size {wildcards.size} --opset {params.opset} {params.ir_version} --dynamic {params.dynamic} --graph {output.graph:q} 2> {log:q}"


rule export_torchscript:
    """Trace the network with its weights as a TorchScript graph."""
    input:
        script=script("export_graph"),
        weights=evidence_of_weights,
    output:
        graph="results/{model}/export/{size}/model.ts",
    log:
        "logs/{model}/export/{size}/torchscript.log",
    benchmark:
        "logs/{model}/export/{size}/torchscript.benchmark.tsv"
    conda:
        ENVIRONMENT
    params:
        network=network_of,
        weights=weights_of,
        hashes=weights_hashes,
        state=state_of_graph("export", "torchscript"),
    message:
        "{wildcards.model}: export to TorchScript, size {wildcards.size}"
    shell:
        "python {input.script:q} --network {params.network} --weights {params.weights:q} {params.hashes} --format torchscript"
        " --size {wildcards.size} --graph {output.graph:q} 2> {log:q}"


rule run_network:
    """Run the network in PyTorch on a few real images, for its graphs to be compared with."""
    input:
        script=script("run_network"),
        weights=evidence_of_weights,
        index=index_of,
        images=images_of_model,
    output:
        reference="scratch/{model}/reference/{size}.npz",
    log:
        "logs/{model}/export/{size}/run_network.log",
    benchmark:
        "logs/{model}/export/{size}/run_network.benchmark.tsv"
    conda:
        ENVIRONMENT
    params:
        network=network_of,
        weights=weights_of,
        recipe=preprocess_json,
        images=images_compared,
        state=state_of_size("reference"),
    message:
        "{wildcards.model}: the network in PyTorch, size {wildcards.size}"
    shell:
        "python {input.script:q} --network {params.network} --weights {params.weights:q} --index {input.index:q}"
        " --recipe {params.recipe:q} --size {wildcards.size} --images {params.images}"
        " --reference {output.reference:q} 2> {log:q}"


rule check_export:
    """Hold an exported graph to what the network gave in PyTorch."""
    input:
        script=script("check_export"),
        graph="results/{model}/export/{size}/model.{suffix}",
        reference="scratch/{model}/reference/{size}.npz",
        index=index_of,
        images=images_of_model,
    output:
        parity="results/{model}/export/{size}/model.{suffix}.parity.json",
    log:
        "logs/{model}/export/{size}/check-{suffix}.log",
    benchmark:
        "logs/{model}/export/{size}/check-{suffix}.benchmark.tsv"
    wildcard_constraints:
        suffix="onnx|ts",
    conda:
        ENVIRONMENT
    params:
        network=network_of,
        kind=kind_of_graph,
        recipe=preprocess_json,
        size="{size}",
        tolerance=tolerance_options,
        state=state_of_graph("check"),
    message:
        "{wildcards.model}: hold model.{wildcards.suffix} to PyTorch, size {wildcards.size}"
    shell:
        "python {input.script:q} --network {params.network} --kind {params.kind} --graph {input.graph:q}"
        " --reference {input.reference:q} --index {input.index:q} --recipe {params.recipe:q} --size {params.size}"
        " {params.tolerance} --parity {output.parity:q} 2> {log:q}"


rule cast_rois:
    """Put the casts to float16 into a graph that a vendor's compiler wants of a network with RoIAlign."""
    input:
        script=script("cast_rois"),
        graph="results/{model}/export/{size}/model.onnx",
        parity="results/{model}/export/{size}/model.onnx.parity.json",
    output:
        graph="results/{model}/export/{size}/model_{form}.onnx",
    log:
        "logs/{model}/export/{size}/{form}.log",
    benchmark:
        "logs/{model}/export/{size}/{form}.benchmark.tsv"
    wildcard_constraints:
        form="cast|cast_back",
    conda:
        ENVIRONMENT
    params:
        state=state_of_size("cast"),
    message:
        "{wildcards.model}: RoIs in float16 ({wildcards.form}), size {wildcards.size}"
    shell:
        "python {input.script:q} --graph {input.graph:q} --form {wildcards.form} --cast-graph {output.graph:q} 2> {log:q}"


rule measure_complexity:
    """Count parameters and operations of a network at a size, in its exported graph."""
    input:
        script=script("measure_complexity"),
        graph="results/{model}/export/{size}/model.onnx",
    output:
        complexity="results/{model}/export/{size}/complexity.json",
    log:
        "logs/{model}/export/{size}/complexity.log",
    benchmark:
        "logs/{model}/export/{size}/complexity.benchmark.tsv"
    conda:
        ENVIRONMENT
    params:
        network=network_of,
        state=state_of_size("complexity"),
    message:
        "{wildcards.model}: count parameters and operations, size {wildcards.size}"
    shell:
        "python {input.script:q} --graph {input.graph:q} --network {params.network} --size {wildcards.size}"
        " --complexity {output.complexity:q} 2> {log:q}"


rule collect_parity:
    """The parity checks of a model's graphs, in every format its engines run, at the headline's size."""
    input:
        script=script("collect_parity"),
        checks=headline_checks,
    output:
        parity="results/{model}/export/parity.json",
    log:
        "logs/{model}/export/collect.log",
    benchmark:
        "logs/{model}/export/collect.benchmark.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    params:
        names=headline_graphs,
        state=state_of_model("parity"),
    message:
        "{wildcards.model}: parity of its graphs"
    shell:
        "python {input.script:q} --checks {input.checks:q} --names {params.names} --parity {output.parity:q} 2> {log:q}"
