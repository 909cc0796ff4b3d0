"""What is answered, and how it is said: plain data without networks.

comparison, score, ranking, mos_score   one result class each
league                                  the table of several images
findings, lead, sentences               from maps to words
regions                                 the worst boxes of a pair
colormaps, plain_json                   results as pictures and as JSON
"""
