"""What every test shares."""

import os

# Test processes run side by side, one a core. With more threads than cores they wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("ASD_THREADS", "1")
