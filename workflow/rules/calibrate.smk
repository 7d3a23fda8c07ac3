# calibrate: the images by which int8 finds the ranges of a network's values, drawn once for all engines, and the graph
# that ONNX Runtime runs in int8.
# Needs: the dataset's index. Makes: scratch/calibration/<dataset>/{list.json,images},
# results/<model>/export/<size>/model_int8.onnx[.parity.json] and, when asked for, int8_layers.tsv.


rule draw_calibration:
    """Draw the calibration images of a dataset by its seed."""
    input:
        script=script("draw_calibration"),
        index="scratch/datasets/{dataset}/index.json",
        source=calibration_evidence,
    output:
        list="scratch/calibration/{dataset}/list.json",
        images=directory("scratch/calibration/{dataset}/images"),
    log:
        "logs/datasets/{dataset}/calibration.log",
    benchmark:
        "logs/datasets/{dataset}/calibration.benchmark.tsv"
    conda:
        ENVIRONMENT
    params:
        source=calibration_source,
        draw=calibration_draw,
        state=calibration_state,
    message:
        "{wildcards.dataset}: draw the calibration images"
    shell:
        "python {input.script:q} --index {input.index:q} --source {params.source:q} {params.draw}"
        " --list {output.list:q} --folder {output.images:q} 2> {log:q}"


rule quantize_onnx:
    """Quantise an exported graph to int8 for ONNX Runtime."""
    input:
        script=script("quantize_graph"),
        graph="results/{model}/export/{size}/model.onnx",
        parity="results/{model}/export/{size}/model.onnx.parity.json",
        calibration=calibration_list_of_model,
    output:
        graph="results/{model}/export/{size}/model_int8.onnx",
        report="results/{model}/export/{size}/model_int8.json",
    log:
        "logs/{model}/export/{size}/quantize.log",
    benchmark:
        "logs/{model}/export/{size}/quantize.benchmark.tsv"
    conda:
        ENVIRONMENT
    params:
        recipe=preprocess_json,
        options=quantization_options,
        state=state_of_size("quantize"),
    message:
        "{wildcards.model}: int8 for ONNX Runtime, size {wildcards.size}"
    shell:
        "python {input.script:q} --graph {input.graph:q} --images {input.calibration:q} --recipe {params.recipe:q}"
        " --size {wildcards.size} {params.options} --quantized {output.graph:q} --report {output.report:q} 2> {log:q}"


use rule check_export as check_int8 with:
    input:
        script=script("check_export"),
        graph="results/{model}/export/{size}/model_int8.onnx",
        reference="scratch/{model}/reference/{size}.npz",
        index=index_of,
        images=images_of_model,
    output:
        parity="results/{model}/export/{size}/model_int8.onnx.parity.json",
    log:
        "logs/{model}/export/{size}/check-int8.log",
    benchmark:
        "logs/{model}/export/{size}/check-int8.benchmark.tsv"
    params:
        network=network_of,
        kind="onnxruntime",
        recipe=preprocess_json,
        size="{size}",
        tolerance="--any-difference",
        state=state_of_size("int8_check"),
    message:
        "{wildcards.model}: how far int8 is from PyTorch, size {wildcards.size}"


rule explain_int8:
    """Which layers of a network cost most in int8."""
    input:
        script=script("explain_int8"),
        graph="results/{model}/export/{size}/model.onnx",
        parity="results/{model}/export/{size}/model.onnx.parity.json",
        calibration=calibration_list_of_model,
    output:
        table="results/{model}/export/{size}/int8_layers.tsv",
    log:
        "logs/{model}/export/{size}/int8_layers.log",
    benchmark:
        "logs/{model}/export/{size}/int8_layers.benchmark.tsv"
    conda:
        ENVIRONMENT
    params:
        recipe=preprocess_json,
        options=quantization_options,
        state=state_of_size("explain"),
    message:
        "{wildcards.model}: what each layer costs in int8, size {wildcards.size}"
    shell:
        "python {input.script:q} --graph {input.graph:q} --images {input.calibration:q} --recipe {params.recipe:q}"
        " --size {wildcards.size} {params.options} --table {output.table:q} 2> {log:q}"
