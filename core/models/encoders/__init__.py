"""Pretrained encoders: published networks that turn windows of sound into embeddings."""
