"""The version of the package; any change of its numbers changes it."""

__version__ = "0.1.0"
