"""Models for other programs and machines (ONNX, archives of weights), and the curves of runs for TensorBoard."""
