"""The unit that moves: what a model is made of, how it is written, and when it is trusted."""
