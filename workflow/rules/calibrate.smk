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
