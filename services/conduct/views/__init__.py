"""What conduct shows: suspensions and public records."""
