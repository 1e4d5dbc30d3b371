"""The encoded log is the rendered log, byte for byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runner.log.encode import Encoding, encoded
from runner.log.journal import DONE, GET, GET_DONE, NO_SECOND, PUT, RAW, Clock
from runner.log.merge import Owner
from runner.log.render import Renderer, json_processors

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from runner.log.journal import Record

SECOND = 1_000_000_000
CLOCK = Clock(zero_ns=5 * SECOND, wall_ns=1_700_000_000 * SECOND + 999_999_000)
FAR = 1 << 63


def renderer() -> Renderer:
    return Renderer(CLOCK, "p-{}:".format, json_processors())


def any_record(chaos: random.Random, instant: int) -> Record:
    kind = chaos.choice((PUT, GET, DONE))
    flags = chaos.choice((0, 0, 0, NO_SECOND))
    item = chaos.choice((chaos.randrange(-FAR, FAR), 0, 7, 7, 7, b'.0.1\0"item":"t\xc3\xa9xt %d","item_bytes":300'))
    flags |= isinstance(item, bytes)
    if isinstance(item, int) and not flags and chaos.random() < 0.3:
        kind = GET_DONE
    first, second = chaos.choice(((0, 0), (chaos.randrange(FAR), chaos.randrange(-FAR, FAR))))
    return instant, first, second, chaos.randrange(FAR), item, chaos.randrange(9), chaos.randrange(1, 9), flags, kind


@pytest.mark.parametrize("worker", ["c-0", 'd"\\\x01-0', "e\x7fé\u2028-0"])
def test_it_is_what_is_rendered(worker: str, tmp_path: Path, chaos: random.Random) -> None:
    """Over the turns of milliseconds and seconds, with items of every sort, and names that need escapes."""
    owner = Owner(worker, "a%d", "b", tmp_path)
    instants = [6 * SECOND + chaos.randrange(-3, 3) * chaos.choice((1, 1000, 10**6, SECOND)) for _ in range(500)]
    records = [any_record(chaos, instant) for instant in sorted(instants)]
    records.insert(200, (records[200][0], 0, 0, 0, b'{"event":"error","level":"error","why":"x"}', 0, 0, 1, RAW))
    assert GET_DONE in {record[8] for record in records}
    rendered = renderer().lines(owner)(records)
    made = Encoding(renderer()).lines(owner)(records)
    assert [instant for instant, _ in made] == [instant for instant, _ in rendered]
    assert encoded(made).decode() == "".join(line for _, line in rendered)


class Shouting(Renderer):
    """Shows keys in its own way."""

    def marked(self, event: str, worker: str, queue: str | None, figures: tuple[str, str]) -> str:
        return super().marked(event, worker, queue, figures).replace('"level"', '"LEVEL"')


def test_where_the_two_differ_the_renderer_is_right(tmp_path: Path) -> None:
    made = Encoding(Shouting(CLOCK, "p-{}:".format, json_processors())).lines(Owner("c-0", "a", "b", tmp_path))
    assert b'{"event":"get","LEVEL":"info",' in encoded(made([(6 * SECOND, 1, 2, 3, 4, 0, 1, 0, GET)]))
