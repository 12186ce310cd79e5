"""What several services know of the market, and none of them owns; every service may use it, and it uses none.

``replicas`` copies of what others announced · ``lines`` the lines of a purchase beside their reference prices · ``form_lines`` what is
wrong with a line as it was typed · ``places`` the place that somebody names · ``reasons`` why something is recommended, in the reader's
language.
"""
