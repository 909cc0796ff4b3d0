"""The distortion engine: ranked image sets with per-pixel truth. Knows nothing of the networks."""

# Changes whenever the same recipe or seed would give other bytes.
ENGINE_VERSION = "1.3"
