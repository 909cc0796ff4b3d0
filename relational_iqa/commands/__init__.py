"""The commands of `riqa`, a module each: the function of the same name, its docstring the help, and its options.

A new command is a module here and a line in the table of `relational_iqa.cli`. What is imported at the top of these
modules is paid by every call, `riqa --help` too: torch and other heavy imports belong inside the functions.
"""
