"""What holds when processes are killed: on `lonja up` itself, not on a market inside the test."""
