"""``python -m events``: write schemas, the AsyncAPI document and the first example of each new event."""

import events.documents as documents


def main() -> None:
    for path, text in (documents.documents() | documents.missing_examples()).items():
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(path.relative_to(documents.FOLDER))


main()
