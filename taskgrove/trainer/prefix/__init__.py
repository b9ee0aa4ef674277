"""What frozen layers make of a data set's images: computed once, kept in memory and on disk."""
