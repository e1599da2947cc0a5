"""Starting a run without a screen: the form's texts made a recipe, and a look at the dataset beforehand."""
