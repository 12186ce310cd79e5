import asyncio
import errno
import json
from email.message import EmailMessage
from pathlib import Path
from types import SimpleNamespace

import aiosmtplib
import httpx
import pytest
from aiosmtpd.smtp import Envelope
from typer.testing import CliRunner

from infra.cli import app
from infra.config import Config
from infra.kept_mail import NoSuchMail, keep, message, messages, page_url, prune, smtp_url
from infra.mailbox import Keeper, run

pytestmark = pytest.mark.servers


def a_mail() -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = "Новая закупка: 500 × paper"
    mail["From"] = "lonja@example.org"
    mail["To"] = "supplier@example.org"
    mail.set_content("in plain words")
    mail.add_alternative('<p title="a">in <b>HTML</b></p><script>alert(1)</script>', subtype="html")
    return mail


async def test_a_message_sent_by_smtp_can_be_read_as_file_page_and_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Config.load({"LONJA_HOME": str(tmp_path)})
    serving = asyncio.create_task(run(config))
    async with httpx.AsyncClient(base_url=page_url(tmp_path)) as browser, asyncio.timeout(10):
        while not await _up(browser):
            await asyncio.sleep(0.02)
        port = int(smtp_url(tmp_path).rpartition(":")[2])
        await aiosmtplib.send(a_mail(), hostname="127.0.0.1", port=port)
        (kept,) = messages(config.mail_dir)
        assert (kept.subject, kept.text) == ("Новая закупка: 500 × paper", "in plain words\n")
        assert "Новая закупка" in (await browser.get("/")).text
        page = await browser.get("/1")
        assert (await browser.get("/2")).status_code == 404
    assert "&lt;script&gt;" in page.text, "the stranger's HTML is inside the frame's attribute, never in the page"
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)

    monkeypatch.setenv("LONJA_HOME", str(tmp_path))
    listed = CliRunner().invoke(app, ["mailbox", "--json"])
    assert [mail["recipients"] for mail in json.loads(listed.stdout)] == ["supplier@example.org"]
    assert "in plain words" in CliRunner().invoke(app, ["mailbox", "1"]).stdout


def test_a_message_sent_again_is_kept_once(tmp_path: Path) -> None:
    letter = b"Message-ID: <1@lonja>\r\nSubject: once\r\n\r\nbody\r\n"
    assert keep(tmp_path, letter) == keep(tmp_path, letter)
    keep(tmp_path, letter.replace(b"<1@", b"<2@"))
    assert len(messages(tmp_path)) == 2


def test_a_number_without_message_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoSuchMail, match="no message 1"):
        message(tmp_path, 1)


async def _up(browser: httpx.AsyncClient) -> bool:
    try:
        return (await browser.get("/")).status_code == 200
    except httpx.ConnectError:
        return False


def test_the_mailbox_keeps_what_is_young_and_of_that_the_newest(tmp_path: Path) -> None:
    for number in (1, 5, 6, 7, 8):
        (tmp_path / f"{number}-x.eml").write_bytes(b"Subject: hello\n\nhello")
    assert prune(tmp_path, before_ns=5) == 1
    assert prune(tmp_path, before_ns=5, most=3) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["6-x.eml", "7-x.eml", "8-x.eml"]
    assert prune(tmp_path, before_ns=5, most=3) == 0


def _files(directory: Path) -> list[Path]:
    return list(directory.iterdir())


async def test_a_message_for_which_there_is_no_room_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> int:
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    session, envelope = SimpleNamespace(), Envelope()
    envelope.original_content = bytes(a_mail())
    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        said = await Keeper(tmp_path).handle_DATA(session, session, envelope)  # type: ignore[arg-type]
    assert said.startswith("452 ") and "No space left" in said
    assert _files(tmp_path) == []
    assert await Keeper(tmp_path).handle_DATA(session, session, envelope) == "250 kept"  # type: ignore[arg-type]
