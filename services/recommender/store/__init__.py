"""Rows and queries: `rows` the tables, `market` the copies that events feed, `openings` what can be recommended, `marks` which lists are
made again, `advice` the lists, `trainings` the models, `pruning` which rows are deleted after a time."""
