"""Records of the service: predictions, outcomes, feedback and the mode.

This package does not depend on the model or on the contract.
"""
