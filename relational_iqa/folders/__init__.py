"""Two folders of outputs: files paired by name, every pair compared, and what all pairs say together.

pairing          which files of two folders belong together
compared_files   two files compared, and the report of them
comparison       a row for every pair
csv_table        rows as a file that grows
summary          what all rows say together
"""
