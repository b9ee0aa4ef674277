"""The version of the package, recorded with every model."""

from importlib.metadata import version

__version__ = version("taskgrove")
