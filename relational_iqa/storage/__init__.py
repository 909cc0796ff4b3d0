"""Weights on disk and their cards: one safetensors format for all systems, no pickle.

tensor_file               reads, writes and refuses files
pixel_perfect_weights     the two networks of the core
pmos_weights, spips_weights, reiqa_regression   those of the other systems
opinions                  whose human scores weights were fitted to
"""
