"""What algorithms make of a damaged photograph: the material that users of a comparison bring.

    damage      camera noise through a Bayer mosaic, white and correlated noise, blur, down-sampling, compression
    denoising   non-local means, total variation, wavelets, bilateral, guided, median and Wiener filters
    bm3d        block matching and 3-D filtering
    deblurring  Richardson-Lucy and Wiener deconvolution, unsharp masking
    upscaling   interpolation and back-projection
    neural      small denoisers and upscalers, trained by `experiments.restoration.train`
    operations  all of these by name, as data that is replayed
    sampling    what is drawn: a damage, and outputs of algorithms on it; families that are left out
    ranked      ranked sets of outputs, and what construction tells of their order
    measured    the field of an output, measured against the reference

Every function is pure: an image (3, H, W) float32 sRGB in [0, 1], its parameters and, where it draws, a generator; the
result is a new image in [0, 1]. The input is never written. What scikit-image provides is used from there: it is the
extra `restoration` of this package.
"""
