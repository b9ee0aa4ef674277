"""Taskgrove."""
