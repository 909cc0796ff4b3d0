"""The pages to look at, each one HTML file that needs nothing else: the report of a pair and the league of several; and
the maps of a comparison as pictures and arrays in a folder."""

from relational_iqa.report.html import render_report, write_report
from relational_iqa.report.league import render_league, write_league
from relational_iqa.report.map_pictures import write_maps

__all__ = ["render_league", "render_report", "write_league", "write_maps", "write_report"]
