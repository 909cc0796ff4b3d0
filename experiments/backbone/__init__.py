"""The backbone: adopted from ImageNet weights, and compared with others in its place."""
