"""From a recipe to a trained model: recipe, presets, checkpoint, and the four rooms around the loop."""
