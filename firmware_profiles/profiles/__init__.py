"""Facts about boards, links and batteries, and fleets made of them: the format and its parser, no files.

Pure: `catalogue.py` beside this package reads the files. The format is described in docs/FLEETS.md.
"""
