"""The service as a process, hurt: what a project runs to show that its own service survives. `make faults` runs it."""
