"""The roots that the package ships: weights in timm's names with their provenance."""
