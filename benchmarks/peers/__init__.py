"""Loops of other libraries, for environments without Taskgrove: they import torch and the library only."""
