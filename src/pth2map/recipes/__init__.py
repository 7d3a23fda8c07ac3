"""What surrounds a network: preprocessing before it, decode after it, the result text, the protocol in words."""
