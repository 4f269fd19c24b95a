"""Offline monitoring: drift, quality and payoff of real cases, and the alerts that follow."""
