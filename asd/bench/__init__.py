"""Measurements that `asd bench` makes: speed as a ratio of two things of one run, memory, latency."""
