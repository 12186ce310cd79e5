"""Rows and queries: `rows` the tables, `market` the copies that events feed, `openings` what can be recommended, `marks` which lists are
made again, `advice` the lists, `trainings` the models, `alone` what one process does at a time, `pruning` which rows are deleted after a
time."""
