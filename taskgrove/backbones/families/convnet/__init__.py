"""Small convolutional networks, the backbones of split CIFAR-100 in Learn to Bind and Grow (004, §4)."""
