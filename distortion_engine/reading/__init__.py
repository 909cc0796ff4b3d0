"""Images that people have on disk or in memory, read and written by one policy.

image_io           load_image, save_image: files and arrays to float32 sRGB and back
decoding           files to raw samples, bounded and explicit
colour             samples to sRGB: scale, ICC profile, grey, CMYK, alpha
samples            what decoders give
jpegxl, libjxl     JPEG XL by libjxl's own functions
jpeg               JPEG beyond 8 bits; damage and scans of every JPEG
tiff               TIFF beyond 8 bits, or that Pillow does not know
code_points        colour by number (ITU-T H.273)
boxes, jpeg_header, jpegxl_header, tiff_header, webp_header, exif_orientation   what file headers say
refusals           the messages of refused files
decoder_noise      keeps decoders from writing to stderr
photos             the photographs of a folder, training and held-out
"""
