"""How organisations keep what they sign or were awarded (docs/rules.md section 4).

``sanctions`` decides what breaches lead to, ``record`` which facts about a contract are public, ``performance`` which facts about its
execution.
"""
