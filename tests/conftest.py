"""One thread for every test: the suite runs in several processes, and sums must come in one order."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is loaded, here and in started processes
