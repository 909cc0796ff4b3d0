"""Images of any size in bounded memory.

tile_geometry      where the tiles of an image lie, their halos, and the grid they keep to
tile_runner        runs a function over all tiles of whole images
stored_image       images as they were decoded, read a window at a time
seen_images        pictures as an eye resolves them, and the octaves that are compared
one_space          HDR and SDR pictures of one comparison in one space
rectangles         rectangles as people write them
regions_of_interest  parts of the pictures that are compared by themselves
filled_image       an image of which only what a mask shows is known
enlargement        bilinear enlargement of maps on the 1/4 grid, window by window
temporary_arrays   large arrays in temporary files
memory             what the C library does with freed memory
"""
