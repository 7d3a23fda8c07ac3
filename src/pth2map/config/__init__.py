"""The config of the workflow: its types, its checks, its reference."""
