"""Boxes, priors, non-maximum suppression and image placement: arrays in, arrays out."""
