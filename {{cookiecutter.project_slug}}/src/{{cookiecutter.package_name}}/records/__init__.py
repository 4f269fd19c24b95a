"""What the service remembers: predictions, outcomes, feedback and the mode. Knows no model and no contract."""

TRIED = "smoke-"  # ids of requests that only try the service begin so: they are no cases
