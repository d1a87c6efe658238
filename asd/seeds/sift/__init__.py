"""Sifted seeds: chosen from the data as given, by agreement of weak signals. Nobody vouches for them.

`patches` turns pictures into features without labels, `views` says of what parts, `agreement` how sure
cross-fitted classifiers are of each label, and `choosing` which samples are taken.
"""
