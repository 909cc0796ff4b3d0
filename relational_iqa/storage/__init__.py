"""Weights on disk and their cards: one safetensors format for all systems, no pickle.

tensor_file               reads, writes and refuses files
pixel_perfect_weights     the two networks of the core
pmos_weights, spips_weights   those of the other systems
regressor                 from features of Re-IQA to an opinion score
opinions                  whose human scores weights were fitted to
"""
