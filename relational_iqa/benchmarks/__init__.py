"""Human-rated data sets and agreement with them.

readers         one data set a file; catalog: READERS by name; items: what every reader gives
metrics         METRICS by name: what `riqa evaluate` can judge
scoring         scores of metrics on all images or pairs of a set; shrinking: the one change of size
splits          splits by scene, cross-validation on what they leave out
regression      ridge regression from features to opinion
agreement       how far a metric agrees with people: overall, by distortion, by scene, with intervals
correlation     SRCC, KRCC, PLCC
logistic        the four-parameter curve of VQEG
forced_choice   2AFC score, pairs of one scene, standings from margins
compared        the pairs of a scene that metrics are asked about, and what they say of them
verdicts        how often a verdict on two images is right: by the gap of opinion, by its confidence
bootstrap       intervals over scenes
evaluation      from scores to a report
disagreements   the pairs on which a metric and people disagree most
page            the report as one HTML page
tables          the report on the terminal; results: as CSV and JSON; scatter: as plots
"""
