"""``python -m events``: write the schemas, the AsyncAPI document and the first example of each new event, and print the
paths of the files that changed."""

import events.documents as documents


def main() -> None:
    for path, text in (documents.documents() | documents.missing_examples()).items():
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(path.relative_to(documents.FOLDER))


main()
