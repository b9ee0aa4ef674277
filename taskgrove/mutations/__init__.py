"""What may change between a parent and its child; pure and torch-free."""
