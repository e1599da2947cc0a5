"""Exporting models as ONNX files and archives of weights, and curves of runs for TensorBoard."""
