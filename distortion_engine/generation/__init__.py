"""Ranked sets on disk, the job of `riqa generate`.

generate        photographs and options in, a folder of shards out
options         what the bytes follow from
shards, manifest   one tar of sets; the list of them with checksums
workers         processes of this machine, or a Ray cluster
contact_sheet, catalog_sheet   sheets for the eye: ranked sets, all distortions
lettering       colours and text of these sheets
"""
