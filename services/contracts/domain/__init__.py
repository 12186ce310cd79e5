"""From award to signature, and buying straight from an offer (DOMAIN section 4).

``awards`` says where deals come from, ``signing`` decides what the sides and the clock do to one, ``cascade`` who comes next.
"""
