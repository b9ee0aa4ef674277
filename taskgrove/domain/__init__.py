"""The nouns of the papers as frozen values; standard library only."""
