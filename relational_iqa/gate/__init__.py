"""The gate of `riqa check` and of the pytest plug-in: whether new outputs are worse than what was accepted.

tolerances     how much worse a picture may be, by patterns of names
accepted       what was accepted of a picture, and whether it is still comparable
baseline       both as a TOML file that people review
verdicts       one picture judged: by margin and confidence, and by the strength of its defects
pictures       which files are compared with which
checking       all pictures of a run
words          how results are said
junit          results as JUnit XML
markdown       results as the summary of a pull request
evidence       reports of what failed, and a page that links them
picture_files  images of a program as files
snapshots      baseline pictures beside tests
pytest_plugin  the fixture `riqa`
"""
