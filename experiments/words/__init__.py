"""Whether what an answer says is true, on edits that other programs made.

manipulation.py     one edit as data: what it does, what may be said of it, which image should win
places.py           boxes: where an edit lies, and whether a region that is named lies there
whole_image.py      edits of the whole image: blur, noise, codecs, resampling, smoothing, geometry
tone_and_colour.py  edits of the whole image: lightness, contrast, colour
local.py            edits of a known box
neutral.py          edits that nobody sees
catalog.py          the list of all edits
answers.py          the answer of a comparison in one form, whatever the version of its results
measurement.py      asks about every edit and judges what is said
rows.py             the rows of the table
listing.py          every sentence with its judgement, as CSV and Markdown, and pictures of failures
truth.py            the command
real_pairs.py       fifty real pairs with their sentences, to be read aloud
"""
