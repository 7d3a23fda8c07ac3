"""The runtime under the real ais_bench, which has to be installed beside it; the stand-in needs nothing of it."""
