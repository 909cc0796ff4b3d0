"""Weights on disk and their cards: one safetensors format for all systems, no pickle.

tensor_file               reads, writes and refuses safetensors files
network_format            networks in such files: the header rebuilds the network
backbone_weights, pixel_perfect_weights, pmos_weights, reiqa_weights, spips_weights   what is particular to each system
regressor                 from features to an opinion score
shipped                   finds weights by path or by the name of shipped ones
cards                     the card beside weights: where they come from
opinions                  whose human scores weights were fitted to
"""
