"""Models for other programs and machines: ONNX and archives of weights."""
