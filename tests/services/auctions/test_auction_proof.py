"""The proof of an auction: sound as the market wrote it, and unsound after any changed byte, with logs of every policy."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from catalogue.policy import load
from events.auctions import AuctionExtended
from infra.cli.output import Unwritable
from infra.signing import Signer
from services.auctions import cli
from services.auctions.domain import chain
from services.auctions.domain.auction import AuctionState, Fact, Verdict, apply, ranking
from services.auctions.domain.audit import Unsound
from services.auctions.domain.bids import place_bid
from services.auctions.domain.closing import close, closed
from services.auctions.domain.due import advance
from services.auctions.domain.remedies import delete_last, resume
from services.auctions.proof import Trailer, end, part, verify, verify_receipt
from services.auctions.receipts import issue
from services.auctions.store.bids import StoredVerdict
from tests.services.auctions.builders import NOON_UTC, a_bid, an_auction

SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
SECOND = timedelta(seconds=1)
AT = NOON_UTC + timedelta(minutes=1)


class Log:
    """An auction that is given its facts one by one, as the journal would write them."""

    def __init__(self, state: AuctionState) -> None:
        self.state = state
        self.facts: list[Verdict | Fact] = []
        self.lines = [chain.line(state.opened.TYPE, msgspec.json.encode(state.opened))]

    def add(self, fact: Verdict | Fact) -> Log:
        event = fact.event if isinstance(fact, Verdict) else fact
        self.facts.append(fact)
        self.lines.append(chain.line(event.TYPE, msgspec.json.encode(event)))
        self.state = apply(self.state, fact)
        return self

    def bid(self, who: str, amount: str, at: datetime = AT, **more: object) -> Log:
        return self.add(place_bid(self.state, a_bid(who, amount, at=at, **more)))  # type: ignore[arg-type]

    def clock(self, now: datetime) -> Log:
        _, steps = advance(self.state, {}, now, standings={}, new_id=lambda: "id")
        for step in steps:
            self.add(step)
        return self

    def close(self) -> Log:
        while not self.state.closed:
            now = self.state.settles_at
            self.clock(now)
            if now < self.state.settles_at:
                continue
            bids = [fact for fact in self.facts if isinstance(fact, Verdict)]
            _, result = close(self.state, bids, now)
            self.add(result)
        return self

    def kept(self, position: int) -> StoredVerdict:
        verdict = self.facts[position - 1]
        assert isinstance(verdict, Verdict)
        data = msgspec.json.encode(verdict.event)
        return StoredVerdict(verdict, position, chain.root(self.lines[:position]), data)

    def proof(self, others: int = 5) -> bytes:
        root = chain.root(self.lines)
        leaves = [b"another %d" % number for number in range(others)]
        leaves.insert(2, chain.leaf(self.state.opened.auction_id, len(self.lines) - 1, root))
        log_root, paths = chain.tree(leaves)
        signed_at = datetime(2026, 11, 19, 12, tzinfo=UTC)
        text = chain.checkpoint_text(len(leaves), log_root, signed_at)
        trailer = Trailer(
            root=root.hex(),
            path=paths[2],
            size=len(leaves),
            log_root=log_root.hex(),
            signed_at=signed_at,
            key=SIGNER.key,
            signature=SIGNER.sign(text),
        )
        return part(self.lines) + end(trailer)


def moscow() -> Log:
    log = Log(an_auction())
    log.bid("a", "990").bid("b", "995").bid("b", "980").bid("s", "970", standing="suspended").bid("school", "970")
    late = log.state.closes_at - 10 * SECOND
    return log.bid("c", "900", at=late).bid("a", "890", at=late + 12 * SECOND).bid("d", "1e3").close()


def outage() -> Log:
    log = Log(an_auction()).bid("a", "990")
    extended = resume(log.state, AT + SECOND, AT + 600 * SECOND)
    assert isinstance(extended, AuctionExtended)
    return log.add(extended).bid("b", "980", at=AT + 700 * SECOND).close()


def pregao() -> Log:
    log = Log(an_auction(policy=load("pregao"))).bid("a", "1000").bid("b", "900").bid("a", "950").bid("a", "700")
    log.add(delete_last(log.state, "a", AT + 5 * SECOND))
    return log.close()


def prozorro() -> Log:
    log = Log(an_auction(policy=load("prozorro"))).bid("a", "1000").bid("b", "990").bid("b", "985").bid("c", "995")
    log.clock(log.state.settles_at)
    while log.state.round and not log.state.closed and log.state.round.number <= 3:
        running = log.state.round
        for turn, number in enumerate(running.order):
            begins = running.begins_at + 120 * SECOND * turn
            who = next(each for each, one in log.state.participants.items() if one.number == number)
            own = log.state.participants[who].last
            assert own is not None
            log.bid(who, str(own.amount - 20), at=begins + SECOND)
            log.bid("a", "1", at=begins + 2 * SECOND if who != "a" else begins + 300 * SECOND)
            log.clock(begins + 121 * SECOND)
        if log.state.round == running or log.state.round.number == running.number:
            break
    return log.close()


def unsuccessful() -> Log:
    return Log(an_auction()).close()


STORIES: list[Callable[[], Log]] = [moscow, outage, pregao, prozorro, unsuccessful]


@pytest.mark.parametrize("story", STORIES)
def test_a_proof_is_sound_and_tells_who_won(story: Callable[[], Log]) -> None:
    log = story()
    audit, trailer = verify(log.proof(), key=SIGNER.key)
    assert audit.state.price == log.state.price
    assert (audit.accepted, audit.accepted + audit.refused) == (
        log.state.sequence,
        sum(isinstance(fact, Verdict) for fact in log.facts),
    )
    assert audit.result is not None and audit.result.winner == log.state.number_of(log.state.leader_id)
    assert trailer.root == chain.root(log.lines).hex()
    assert next(end for end, _ in audit.ends) == "opening"


def test_the_prozorro_story_has_three_rounds_and_nine_turns() -> None:
    log = prozorro()
    names = [type(fact).__name__ for fact in log.facts]
    assert (names.count("RoundBegan"), names.count("TurnEnded")) == (3, 9)
    assert log.state.price == Decimal("925.00")
    assert ranking(log.state)[0][0] == "b"


@given(st.sampled_from([story().proof() for story in STORIES]), st.data())
def test_any_single_changed_byte_is_found(proof: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(proof) - 1))
    changed = data.draw(st.integers(0, 255).filter(lambda byte: byte != proof[at]))
    with pytest.raises(Unsound):
        verify(proof[:at] + bytes([changed]) + proof[at + 1 :])


def test_a_market_that_signs_a_log_that_breaks_its_rules_is_found_with_the_line() -> None:
    """The signature and the chain are right. Only the verdict is wrong."""
    log = moscow()
    wrong = log.lines[2].replace(b'"amount":"995"', b'"amount":"994"')
    assert wrong != log.lines[2]
    log.lines[2] = wrong
    with pytest.raises(Unsound, match="line 3: by the rules it must be") as caught:
        verify(log.proof())
    assert caught.value.line == 2


def test_a_refusal_in_the_words_of_an_earlier_market_is_sound_and_one_by_another_rule_is_not() -> None:
    log = moscow()
    assert b'"rule":"not-lower","message":"' in log.lines[2]
    log.lines[2] = log.lines[2].replace(b'"message":"', b'"message":"In short: ')
    verify(log.proof())
    log.lines[2] = log.lines[2].replace(b'"rule":"not-lower"', b'"rule":"cut-below-step"')
    with pytest.raises(Unsound, match="line 3: by the rules it must be"):
        verify(log.proof())


def test_a_first_bid_above_the_initial_price_has_its_former_code_and_is_sound_by_the_later_one_too() -> None:
    """The former release, with which people verify logs too, knows only the former code."""
    log = Log(an_auction(policy=load("pregao"))).bid("a", "1000.01").bid("b", "900").close()
    assert b'"rule":"not-lower"' in log.lines[1]
    verify(log.proof())
    log.lines[1] = log.lines[1].replace(b'"rule":"not-lower"', b'"rule":"above-initial-price"')
    verify(log.proof())
    log.lines[1] = log.lines[1].replace(b'"rule":"above-initial-price"', b'"rule":"cut-below-step"')
    with pytest.raises(Unsound, match="line 2: by the rules it must be"):
        verify(log.proof())


def test_a_key_that_is_not_the_markets_is_refused() -> None:
    with pytest.raises(Unsound, match="not by the market's key"):
        verify(moscow().proof(), key="00" * 32)


def test_a_receipt_is_sound_alone_and_in_its_log_and_no_byte_of_it_changes() -> None:
    log = moscow()
    receipts = issue(SIGNER, [log.kept(position) for position in (1, 2, 3, 4, 6)])
    assert len({receipt.signature for receipt in receipts}) == 1, "one signature for a batch"
    for receipt in receipts:
        text = msgspec.json.encode(receipt)
        assert verify_receipt(text, log.proof(), key=SIGNER.key) == receipt
        for at in range(0, len(text), 7):
            for byte in (text[at] ^ 1, text[at] ^ 32):
                with pytest.raises(Unsound):
                    verify_receipt(text[:at] + bytes([byte]) + text[at + 1 :])


def test_a_receipt_of_a_bid_that_is_not_in_the_log_is_unsound() -> None:
    log, other = moscow(), Log(an_auction()).bid("a", "980").bid("b", "970").close()
    (receipt,) = issue(SIGNER, [log.kept(1)])
    with pytest.raises(Unsound, match="another line"):
        verify_receipt(msgspec.json.encode(receipt), other.proof())


def test_a_bid_after_the_close_has_its_receipt_and_leaves_the_proof_as_it_is() -> None:
    log = moscow()
    proof, ended = log.proof(), log.state.closes_at
    log.bid("z", "10", at=ended + SECOND).bid("z", "10", at=ended - SECOND, key="in time")
    late, in_time = (
        msgspec.json.encode(each) for each in issue(SIGNER, [log.kept(len(log.facts) + at) for at in (-1, 0)])
    )
    assert verify_receipt(late, proof, key=SIGNER.key).position == len(proof.splitlines()) - 1
    with pytest.raises(Unsound, match="another line"):
        verify_receipt(in_time, proof)


def test_a_bid_on_an_auction_that_was_withdrawn_before_it_opened_has_its_receipt_beside_the_proof() -> None:
    log = Log(an_auction())
    log.add(closed(log.state, "withdrawn", NOON_UTC - 600 * SECOND, "No money."))
    proof = log.proof()
    log.bid("a", "990", at=NOON_UTC - 900 * SECOND)
    (receipt,) = issue(SIGNER, [log.kept(2)])
    assert "auction-withdrawn" in receipt.line
    assert verify_receipt(msgspec.json.encode(receipt), proof, key=SIGNER.key).position == 2


@pytest.mark.parametrize(
    ("arrived_at", "rule"), [(-900 * SECOND, "auction-not-open-yet"), (900 * SECOND, "auction-over")]
)
def test_a_receipt_of_an_earlier_release_that_knew_no_withdrawal_still_holds(arrived_at: timedelta, rule: str) -> None:
    log = Log(an_auction())
    log.add(closed(log.state, "withdrawn", NOON_UTC - 600 * SECOND, "No money."))
    proof = log.proof()
    log.state = msgspec.structs.replace(log.state, stopped=None)
    log.bid("a", "990", at=NOON_UTC + arrived_at)
    (receipt,) = issue(SIGNER, [log.kept(2)])
    assert f'"{rule}"' in receipt.line
    assert verify_receipt(msgspec.json.encode(receipt), proof, key=SIGNER.key).position == 2


def test_the_commands_verify_files_and_tell_programs_what_is_unsound(tmp_path: Path) -> None:
    log, run = moscow(), CliRunner()
    (receipt,) = issue(SIGNER, [log.kept(1)])
    files = {"auction": log.proof(), "receipt": msgspec.json.encode(receipt)}
    for name, content in files.items():
        file = tmp_path / name
        file.write_bytes(content)
        sound = run.invoke(cli.verify_app, [name, str(file), "--json"])
        assert sound.exit_code == 0 and json.loads(sound.stdout)["sound"] is True
        file.write_bytes(content.replace(b"990", b"991", 1))
        unsound = run.invoke(cli.verify_app, [name, str(file), "--json"])
        assert isinstance(unsound.exception, Unsound)
        assert json.loads(unsound.stdout) == {"sound": False, "because": str(unsound.exception)}
        assert run.invoke(cli.verify_app, [name, str(file)]).stdout == ""


def test_the_error_of_a_proof_that_cannot_be_written_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def proof(auction_id: str) -> AsyncGenerator[bytes]:
        yield moscow().proof()

    monkeypatch.setattr(cli, "_proof", proof)
    good, nowhere = tmp_path / "proof.jsonl", tmp_path / "no" / "proof.jsonl"
    assert CliRunner().invoke(cli.export_app, ["auction", "1", str(good)]).exit_code == 0
    assert verify(good.read_bytes())
    refused = CliRunner().invoke(cli.export_app, ["auction", "1", str(nowhere)])
    assert isinstance(refused.exception, Unwritable) and str(nowhere) in str(refused.exception)


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=40))
def test_every_path_of_a_tree_leads_to_its_root(leaves: list[bytes]) -> None:
    root, paths = chain.tree(leaves)
    assert all(chain.root_of_path(leaf, path) == root for leaf, path in zip(leaves, paths, strict=True))
