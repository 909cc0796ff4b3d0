"""The four systems, and the only door from outside to the networks.

pixel_perfect       RelationalIQA: load, compare, score, rank; the core
pmos                MOS of one image, per pixel and as a whole, without a reference
reiqa               features of two self-supervised experts and a fitted quality
spips               full reference: fused conventional, perceptual and semantic differences
relational_loss     the score with reference as a training loss
onnx_export         the networks of the core for other runtimes
question            what is asked of images of one scene, and these images as they are judged
tiled_networks      the answers of the networks of the core for images of any size
network_inference   runs these networks on one tile
as_seen             answers under a viewing condition, joined of octaves
answers             what the answers of all systems have in common: names, facts
devices, choices    device, precision and other options by name
"""
