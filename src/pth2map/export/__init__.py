"""Graphs out of networks, and the check of each against PyTorch."""
