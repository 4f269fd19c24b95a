"""The four files of this project: contract, data, model and decision."""
