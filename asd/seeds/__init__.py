"""Seeds that people pick: sheets of candidates, the file of what they vouch for, its checks."""
