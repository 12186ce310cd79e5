"""How organisations keep the contracts that they signed or were awarded (docs/rules.md section 4).

``sanctions`` decides what breaches lead to. ``record`` decides which facts about a contract are public, and
``performance`` which facts about its execution.
"""
