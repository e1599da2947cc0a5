"""The names of the networks, for menus and for the command line. Imports no torch."""

MODELS: dict[str, str] = {
    "small_cnn": "three convolution blocks, global pooling: 0.4 M parameters, any length, fit for a CPU",
    "seed_cnn": "the reference network: three convolution blocks, flatten: 169 M parameters at 30 s, fixed length",
}
"""Name → one line about it, in the order in which they are offered."""

MODEL_NAMES: tuple[str, ...] = tuple(MODELS)
