"""What the contract means. Knows no domain."""
