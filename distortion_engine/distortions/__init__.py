"""One module per family of distortions, each a set of pure functions; `catalog.py` lists them all."""
