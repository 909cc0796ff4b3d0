"""One network a file; `backbone` holds ImageNet features; `blocks` is what they share. All are local until pooling."""
