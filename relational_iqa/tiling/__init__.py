"""Images of any size in bounded memory.

tiles              how an image is cut: tiles, halos, the 1/4 grid
run                a function of tiles over whole images
stored_image       images as they were decoded, read a window at a time
grid_map           maps on the 1/4 grid, enlarged on demand
temporary_arrays   large arrays in temporary files
memory             what the C library does with freed memory
"""
