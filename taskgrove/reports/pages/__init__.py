"""Folders of files for people and programs: reports, comparisons, searches, exports."""
