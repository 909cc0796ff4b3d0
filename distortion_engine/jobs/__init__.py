"""What long jobs need: files that appear complete or not at all, folders with one writer, progress on stderr."""
