"""Rendered pictures of drawn faces in WIDER FACE's layout, for trying everything without any data."""
