"""Readers of rated data sets, one a file; `catalog` is the table of them, `items` what every reader gives."""
