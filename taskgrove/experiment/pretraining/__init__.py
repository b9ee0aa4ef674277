"""Roots of our own: recipes, what a pretraining leaves on disk, and who carries it out."""
