"""One command a module: ``add_arguments(parser)`` and ``run(args) -> int``, the exit status."""
