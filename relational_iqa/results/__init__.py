"""What is answered, and how it is said: plain data without networks.

comparison, score, ranking, mos_score, spips_score   one result class each
league                    the table of several images
map                       Map: one value a pixel, kept on the 1/4 grid
regions                   where the images differ most: boxes
attribution, reasons      what holds how much of a margin; what of it is told
local_damage              small places that are worse than their maps account for
inputs, outputs           the images of a comparison, held weakly; what `save` writes by the suffix
worst_region              the part of one picture that its map of MOS calls worst
words/                    from maps to sentences
colormaps, plain_json     results as pictures and as JSON
"""
