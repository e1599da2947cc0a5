"""The ``classify`` command: arguments, outputs, tags, shards."""
