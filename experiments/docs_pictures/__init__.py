"""Pictures of docs/concepts.md, drawn by the engine alone."""
