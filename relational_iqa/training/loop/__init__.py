"""The loop of every run: trainer, checkpoint, averaging, optimizer, reporting, interruption, several processes."""
