"""A wrapped model and its named terms: what every measurement starts from."""
