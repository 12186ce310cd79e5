"""Texts in a form that the database accepts."""


def clean(text: str) -> str:
    """The text without NUL characters, which PostgreSQL cannot store."""
    return text.replace("\x00", "").strip()
