"""All forms in which a file can contain releases."""

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from services.transparency.ocds import documents, streaming
from services.transparency.ocds.tolerance import NotUnderstood
from tests.services.transparency.publication_builders import a_release, read

ONE, TWO = a_release("ocds-abc123-1"), a_release("ocds-abc123-2")
PACKAGE = {"version": "1.1", "publisher": {"name": "P"}, "license": "CC0", "releases": [ONE, TWO]}
RECORDS = {"records": [{"ocid": one["ocid"], "compiledRelease": one} for one in (ONE, TWO)], "publisher": {"name": "P"}}


@pytest.mark.parametrize(
    "content",
    [
        f"{json.dumps(ONE)}\n{json.dumps(TWO)}\n",
        f"{json.dumps(ONE)}\r\n\r\n  \n{json.dumps(TWO)}",
        json.dumps(PACKAGE),
        json.dumps(PACKAGE, indent=2),
        json.dumps(RECORDS, indent=2),
        json.dumps([ONE, TWO]),
        json.dumps([ONE, TWO], indent=1),
        json.dumps(ONE, indent=1) + "\n" + json.dumps(TWO, indent=1),
        json.dumps({"file": "a.json", "package": PACKAGE}),
        json.dumps({"file": "a.json", "package": [ONE, TWO]}),
        json.dumps({"data": {"results": [{"release": ONE}, {"release": TWO}]}}),
        json.dumps({"records": {one["ocid"]: {"ocid": one["ocid"], "releases": [one]} for one in (ONE, TWO)}}),
    ],
)
@pytest.mark.parametrize(
    "encode", [str.encode, lambda text: b"\xef\xbb\xbf" + text.encode(), lambda text: text.encode("utf-16")]
)
@pytest.mark.parametrize("name", ["file.json", "file.jsonl", "noname"])
def test_two_releases_are_found_however_they_are_wrapped(
    content: str, encode: Callable[[str], bytes], name: str, publish: Callable[..., Path], ledger: NotUnderstood
) -> None:
    releases, unreadable = read(publish(encode(content), name), ledger)
    assert [one.ocid for one in releases] == ["ocds-abc123-1", "ocds-abc123-2"]
    assert not unreadable
    assert not ledger.kinds


def test_gzip_is_known_by_its_content(publish: Callable[..., Path], ledger: NotUnderstood) -> None:
    releases, _ = read(publish(gzip.compress(json.dumps(PACKAGE).encode()), "release.json"), ledger)
    assert len(releases) == 2
    assert (releases[0].publisher, releases[0].licence) == ("P", "CC0")


def test_a_broken_first_line_does_not_hide_the_others(publish: Callable[..., Path], ledger: NotUnderstood) -> None:
    releases, unreadable = read(publish(f'{{"ocid": "x", \n{json.dumps(ONE)}\n{json.dumps(TWO)}', "file.json"), ledger)
    assert (len(releases), [one.where for one in unreadable]) == (2, ["file.json:1"])


def test_a_broken_line_is_refused_with_its_number_and_the_rest_is_read(
    publish: Callable[..., Path], ledger: NotUnderstood
) -> None:
    path = publish(f'{json.dumps(ONE)}\n{{"ocid": \n[]\n5\nnull\n{json.dumps(TWO)}')
    releases, unreadable = read(path, ledger)
    assert len(releases) == 2
    assert [(one.where.split("[")[0], one.kind) for one in unreadable] == [
        ("file.jsonl:2", "not JSON"),
        ("file.jsonl:3", "document: an empty list"),
        ("file.jsonl:4", "document: not an object"),
        ("file.jsonl:5", "document: not an object"),
    ]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "file: empty"),
        (b"   \n ", "file: empty"),
        (gzip.compress(json.dumps(ONE).encode())[:-20], "file: damaged compression"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"<html>not here</html>", "not JSON"),
        (json.dumps({"error": "not found"}), "document: neither release, record nor package"),
        (
            json.dumps({"ocid": "x", "releases": [{"url": "u", "date": "2020", "tag": ["tender"]}]}),
            "record: only links to its releases",
        ),
        (json.dumps({"ocid": "x", "releases": []}), "record: empty"),
        (json.dumps({"releases": []}), "package: empty"),
        (json.dumps({"tender": {"title": "x"}}), "release: no ocid"),
        (json.dumps({"ocid": "x", "tag": ["tender"]}), "release: nothing in it"),
    ],
)
def test_a_file_without_a_release_is_refused_with_a_reason(
    content: bytes | str, kind: str, publish: Callable[..., Path], ledger: NotUnderstood
) -> None:
    releases, unreadable = read(publish(content), ledger)
    assert not releases
    assert {one.kind for one in unreadable} == {kind}


def test_hostile_values_are_read_or_counted(publish: Callable[..., Path], ledger: NotUnderstood) -> None:
    line = '{"ocid":"o","tender":{"title":"a\\u0000\\ud800b","value":{"amount":NaN,"currency":"EUR"},"minValue":1e999999999}}'
    releases, unreadable = read(publish(line), ledger)
    assert len(releases) == 1
    assert not unreadable


def test_text_in_a_windows_encoding_is_read_and_reported(publish: Callable[..., Path], ledger: NotUnderstood) -> None:
    content = json.dumps(a_release(tender={"title": "Peña"}), ensure_ascii=False).encode("cp1252")
    releases, _ = read(publish(content), ledger)
    assert releases[0].body["tender"]["title"] == "Peña"
    assert ledger.kinds == {"document: not UTF-8, read as Windows-1252": 1}


def test_a_release_without_ocid_takes_its_own_id(publish: Callable[..., Path], ledger: NotUnderstood) -> None:
    releases, _ = read(publish([{"id": 77, "tender": {"title": "x"}}]), ledger)
    assert releases[0].ocid == "77"
    assert ledger.kinds == {"ocid: missing, the release's id was used instead": 1}


class TestStreaming:
    @pytest.mark.parametrize("indent", [None, 2])
    @pytest.mark.parametrize("whole", [PACKAGE, RECORDS, [ONE, TWO], {"file": "f", "package": PACKAGE}])
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    def test_a_value_too_large_to_hold_gives_the_same_releases(
        self,
        whole: object,
        encoding: str,
        indent: int | None,
        publish: Callable[..., Path],
        ledger: NotUnderstood,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        path = publish(json.dumps(whole, indent=indent).encode(encoding), "large.json")
        expected, _ = read(path, ledger)
        monkeypatch.setattr(streaming, "CHUNK", 100)
        monkeypatch.setattr(documents, "WHOLE", 300)
        streamed, unreadable = read(path, ledger)
        assert [(one.ocid, one.digest, one.publisher) for one in streamed] == [
            (one.ocid, one.digest, one.publisher) for one in expected
        ]
        assert not unreadable

    def test_what_stands_before_a_break_is_kept(self) -> None:
        seen = []
        with pytest.raises(streaming.Broken):
            for member in streaming.members(io.BytesIO(b'{"releases": [{"a": 1}, {"a": 2}, {"a"')):
                seen.append(member)
        assert seen == [("releases", streaming.Element(each)) for each in ('{"a": 1}', '{"a": 2}')]
