"""How organisations keep what they sign or were awarded (docs/rules.md section 4).

``sanctions`` says what breaches lead to, ``record`` what of a contract's fate is public, ``performance`` what of how it was carried out.
"""
