"""Data sets that TensorFlow Datasets has prepared on this machine."""
