"""What operators see of a running market, whichever process they ask: processes, queues, consumers, servers.

Table: operations.processes, into which every process writes the state of its parts every two seconds. It is the only
table that all services share.
"""
