"""Generic widgets that know nothing of one screen."""
