"""Comparisons of experiments: variants, their runs with every seed, and who carries them out."""
