"""The names of the networks, for menus and for the command line. Imports no torch."""

MODELS: dict[str, str] = {
    "hybrid_cnn": "residual network and a discriminant over window statistics: 0.5 M parameters, the most accurate",
    "residual_cnn": "short-chunk residual network, blind to level: 0.5 M parameters, any length",
    "crnn": "convolutions, then a GRU over time: 0.6 M parameters, any length",
    "cnn_attention": "convolutions, then a small transformer encoder: 0.5 M parameters, any length",
    "small_cnn": "three convolution blocks, global pooling: 0.4 M parameters, any length, fit for a CPU",
    "seed_cnn": "the reference network: three convolution blocks, flatten: 169 M parameters at 30 s, fixed length",
}
"""Name → one line about it, in the order in which they are offered."""

MODEL_NAMES: tuple[str, ...] = tuple(MODELS)

FEWEST_FRAMES = 16
"""Frames of the shortest window that a network promises to take."""
