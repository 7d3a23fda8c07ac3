"""ais_bench, rehearsed: the flags, files and lines of Ascend/tools ais_bench; ONNX Runtime computes."""
