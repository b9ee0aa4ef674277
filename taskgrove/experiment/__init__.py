"""The composition root: experiments as data, names to objects, and the whole system as one object."""
