"""The augmentation preview: effects on one clip, seen and heard."""
