"""Pretrained encoders: networks of others that turn windows of sound into embeddings."""
