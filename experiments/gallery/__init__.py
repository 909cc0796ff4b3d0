"""The gallery of distortions in docs/."""
