"""A trained model as files that live without us."""
