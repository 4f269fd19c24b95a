"""What runs the project: images, the cluster, drills, the demo, updates."""
