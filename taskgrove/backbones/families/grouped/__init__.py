"""Convolutional networks whose layers are cut into groups of channels: 004's partition finer than a layer."""
