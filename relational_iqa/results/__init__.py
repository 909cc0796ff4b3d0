"""What is answered, and how it is said: plain data without networks.

comparison, score, ranking, mos_score   one result class each
league                                  the table of several images
regions                                 where the images differ most: boxes
words/                                  from maps to sentences
colormaps, plain_json                   results as pictures and as JSON
"""
