"""Analyses as text and tables, for a terminal and for pages."""
