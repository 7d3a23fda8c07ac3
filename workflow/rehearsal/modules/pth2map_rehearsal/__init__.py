"""Stand-ins of CANN's and Vastai's tools: the same commands and files, computed by ONNX Runtime."""
