"""Images that people have on disk or in memory, read and written by one policy.

image_io           load_image, save_image: files and arrays to float32 sRGB and back
decoding           files to raw samples, bounded and explicit
colour             samples to sRGB: scale, ICC profile, grey, CMYK, alpha
samples            what decoders give
jpegxl, libjxl     JPEG XL by libjxl's own functions
jpeg               JPEG beyond 8 bits; damage and scans of every JPEG
tiff               TIFF beyond 8 bits, or that Pillow does not know
avif, jpeg2000     what Pillow leaves out of these
code_points        colour by number (ITU-T H.273)
boxes, *_header    what file headers say, without decoding
exif_orientation   how a photograph is turned
refusals           the messages of refused files
decoder_noise      keeps decoders from writing to stderr
photos             the photographs of a folder, training and held-out
"""
