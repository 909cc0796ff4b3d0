"""Human-rated data sets and agreement with them.

items, files, matlab, xlsx: what readers give and what they read with; a reader a file (kadid10k, tid, csiq, live,
live_wild, koniq10k, spaq, pipal, agiqa3k, pieapp, bapps, rated); catalog: READERS by name. metrics: METRICS by name;
scoring, shrinking: scores of metrics on a set; correlation, logistic, forced_choice, bootstrap, splits,
regression, agreement, evaluation: the numbers; tables, results, scatter: how they are shown and written.
"""
