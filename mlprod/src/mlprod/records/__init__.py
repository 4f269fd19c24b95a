"""What the service remembers: predictions, outcomes, feedback and the mode.

Knows no model and no contract.
"""
