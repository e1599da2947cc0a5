"""The Compare screen: two to eight runs side by side."""
