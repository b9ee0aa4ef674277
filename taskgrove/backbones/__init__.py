"""What is assembled: families of backbones cut into components."""
