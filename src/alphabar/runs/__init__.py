"""What lies on disk: a run, its checkpoints, the model in them."""
