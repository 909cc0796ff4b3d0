"""Restoration networks: trained here, shipped with the engine as makers of outputs."""
