"""The four files of a project with 20 fields, laid over the baked ones, to measure what serving costs."""
