"""What several services know about the market and none of them owns. Every service may use this package; it uses no
service.

``replicas`` holds copies of what other services announced. ``lines`` puts the lines of a purchase beside their
reference prices. ``form_lines`` finds the errors in a line that a person typed. ``places`` finds the place that a
person names. ``reasons`` says in the reader's language why something is recommended.
"""
