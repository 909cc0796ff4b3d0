"""What is trained on: the store of rendered ranked sets, the judge that labels them, batches of pairs and sets."""
