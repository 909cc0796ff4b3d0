"""Rate and quality of codecs: encodes of one picture or several, and what a codec saves against another.

encodes       which codec, picture and setting each file is of
points        rate and quality of every encode, and how far a quality can be trusted
bjontegaard   the mean difference of two curves, over the range that both cover
names         what can be chosen
comparison    codecs against an anchor, with intervals
plot          the curves as a picture
"""
