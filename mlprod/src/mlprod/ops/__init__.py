"""Operations: images, the cluster, drills, the demo, readiness and updates."""
