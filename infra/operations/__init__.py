"""What operators see of a running market, from whichever process they ask: processes, queues, consumers, servers.

Table: operations.processes, in which every process says every two seconds how its
parts are. It is the only table that all services share.
"""
