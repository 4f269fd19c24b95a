"""What is watched offline: drift, quality and value of real cases, and what of it is wrong today."""
