# TorchScript in a process of the workflow: the commands of ONNX Runtime with another kind.
# Needs: an exported graph that passed its check, the dataset's index.
# Makes: detections or output files of a shard, results/<model>/<engine>/<variant>/perf.json.


use rule stream_onnxruntime as stream_torchscript with:
    wildcard_constraints:
        engine=pattern(POINTS.engines_of("stream", "torchscript")),


use rule infer_onnxruntime as infer_torchscript with:
    wildcard_constraints:
        engine=pattern(POINTS.engines_of("files", "torchscript")),


use rule bench_onnxruntime as bench_torchscript with:
    wildcard_constraints:
        engine=pattern(POINTS.engines_of_kind("torchscript")),
