"""From award to signature (docs/rules.md section 4).

``awards`` says where ``deals`` come from, ``choices`` what a side may do now, ``deciding`` what a decision is made
with. ``signing`` decides what the sides and the clock do to a deal (``turns``: who may act now; ``equivalents``,
``terms``, ``security``: what a step brings; ``objections``: the protocol of disagreement), ``cascade`` who comes next.
``refusals`` has the closed list of grounds and their disputes, ``breaches`` says which ends are a breach. ``execution``
says what the carrying out of a signed contract needs to know.
"""
