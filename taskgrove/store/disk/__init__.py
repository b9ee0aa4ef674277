"""Files that survive power cuts, and the journal in which a log lies on a local disk."""
