"""Two folders of outputs: files paired by name, every pair compared, and what all pairs say together."""
