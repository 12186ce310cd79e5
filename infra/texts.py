"""Texts as the database takes them."""


def clean(text: str) -> str:
    """PostgreSQL's text holds no NUL."""
    return text.replace("\x00", "").strip()
