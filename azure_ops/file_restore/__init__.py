"""Files out of a disk, without mounting it: sources of bytes, volumes, file systems, search and extraction.

A library without a screen and without Azure's SDK. `reader.Reader` is the door: it runs the parsers in a
process of their own and serves them blocks of the disks.
"""
