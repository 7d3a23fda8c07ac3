"""What runs a graph, and the passes over a shard that use it."""
