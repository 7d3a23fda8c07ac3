"""Stand-ins of CANN's tools: the same commands and files, computed by ONNX Runtime."""
