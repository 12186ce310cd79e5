"""What is guaranteed when processes are killed, tested on `lonja up` itself, not on a market inside the test."""
