"""Image files of every format, depth and colour space, made and decoded by programs that `load_image` does not use."""
