"""Rows and queries: `rows` the tables, `market` the copies that events feed, `openings` the purchases that can be
recommended, `marks` the lists that must be made again, `advice` the lists, `trainings` the models, `alone` the work that
one process does at a time, `pruning` the deletion of old rows."""
