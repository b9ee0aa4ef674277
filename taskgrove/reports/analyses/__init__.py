"""What a system's records say, as plain numbers: no picture, no table."""
