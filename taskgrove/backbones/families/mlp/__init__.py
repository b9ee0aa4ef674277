"""Fully connected networks with ReLU, the backbones of permuted MNIST in Learn to Bind and Grow (004, §4)."""
