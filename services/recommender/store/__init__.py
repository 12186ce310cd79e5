"""Rows and queries: `rows` the tables, `market` the copies that events feed, `advice` lists and marks, `trainings` the models."""
