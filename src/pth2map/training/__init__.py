"""Training: from labelled faces to a checkpoint."""
