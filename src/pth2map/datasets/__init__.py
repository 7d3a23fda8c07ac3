"""Images and the ground truth that belongs to them."""
