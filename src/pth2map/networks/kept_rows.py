"""What the network ``retinamask_kept_masks`` leaves of the rows, which the decode of its recipe must not go beyond."""

KEPT_ROWS = 100
"""The most."""
KEPT_IOU = 0.4
"""IoU above which the lesser of a class goes."""
