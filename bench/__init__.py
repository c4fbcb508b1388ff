"""The benchmark: the tap beside a plain tap and two bare scripts, at the machine's limit and at Gong's."""
