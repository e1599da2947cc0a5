"""From a recipe to a trained model: recipe, presets, checkpoint; the loop and the packages around it."""
