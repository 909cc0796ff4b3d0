"""One network a file; `blocks` is what they share. All are local until pooling."""
