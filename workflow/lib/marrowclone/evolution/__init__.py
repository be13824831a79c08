"""Clones through time: tree, fractions, burden, growth, labels, resistance."""
