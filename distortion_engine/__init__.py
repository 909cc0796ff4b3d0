"""The distortion engine: ranked image sets with per-pixel truth. Knows nothing of the networks.

catalog, axes, severity     the tables: distortions, axes, amounts that do equal damage
recipe, masks               what is done, and where, as data
sampling, render, dataset   seed -> recipe -> pixels and their truth
distortions                 pure functions, one family a file
reading                     images from disk and memory, by one policy
generation                  ranked sets on disk: `riqa generate`
jobs                        what long jobs need: whole files, one writer, progress
"""

from distortion_engine.former_paths import keep_importable

# Changes whenever the same recipe or seed would give other bytes.
ENGINE_VERSION = "1.5"

keep_importable(
    {
        "distortion_engine.image_io": "distortion_engine.reading.image_io",
        "distortion_engine.photos": "distortion_engine.reading.photos",
        "distortion_engine.export": "distortion_engine.generation.generate",
        "distortion_engine.catalog_sheet": "distortion_engine.generation.catalog_sheet",
    }
)
