"""Training of a model: plain steps from rows to a registered and promoted version."""
