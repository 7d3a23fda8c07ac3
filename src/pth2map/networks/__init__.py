"""Torch modules under the state-dict names of their published checkpoints."""
