"""What is answered, and how it is said: plain data without networks.

comparison, score, ranking, mos_score, spips_score   one result class each
league                    the table of several images
map                       Map: one value a pixel, kept on the 1/4 grid
regions                   where the images differ most: boxes
words/                    from maps to sentences
colormaps, plain_json     results as pictures and as JSON
"""
