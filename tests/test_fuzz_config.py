"""Whatever text is loaded as a config, it ends in a Config or a ConfigError, soon and in little memory.

The texts come from fixed seeds: mutations of good configs, soups of YAML's tokens, and the nasty documents people have
thought of. They are loaded in a child process whose address space is limited.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TEXTS = int(os.environ.get("MPRUN_FUZZ_TEXTS") or 10_000)
MEMORY = 512 << 20
SECONDS = 2.0

GOOD = (
    """\
seed: 42
producers:
  produce: {count: 2, items: {start: 0, stop: 10}, sleep: {distribution: randint, low: 1, high: 5}}
consumers:
  consume: {count: 2, items: 10, sleep: {distribution: randint, low: 1, high: 5}}
""",
    """\
name: pipeline
x-slow: &slow {distribution: lognormal, mean: 10ms, cv: 0.5, max: 1s}
time_scale: 0.5
duration: 10s
timeout: 1m
queues: {raw: {maxsize: 10}, cooked: {kind: multiprocessing.Queue, batch: 8}}
producers:
  read: {to: raw, items: {values: [1, two, [3, null], {four: 4.5}], share: split}, payload: 4KiB, sleep: *slow}
  more: {to: raw, items: {call: {target: "package.module:rows", kwargs: {n: 3}}}}
stages:
  cook: {from: raw, to: cooked, count: 3, busy: {distribution: hyperexponential, means: [1ms, 9ms], weights: [9, 1]}}
consumers:
  eat: {<<: {count: 2}, from: cooked, call: "package.module:eat"}
  other:
    from: cooked
    sleep:
      distribution: empirical
      values: [1ms, 2ms, 5ms]
      weights: [1, 2, 1]
on_error: {policy: retry, retries: 2}
hang_after: 5s
faults: [{kill: read-0, after: {puts: 3}}]
""",
    """\
engine: threads
producers: {p: {count: 2, items: 10, item_timeout: 1s}}
consumers: {c: {call: "package.module:eat", item_timeout: 10ms}}
on_death: {policy: continue, max_restarts: 0}
on_error: {policy: skip}
hang_after: 1.5
faults:
  - {kill: c-0, after: {gets: 3}}
  - {pause: p-1, after: {puts: 5}, for: 250ms}
  - raise: c-0
    after: {gets: 1}
""",
    """\
engine: ray
address: ray://head:10001
engine_options:
  num_cpus: 0.5
  resources: {disk: 1, net: 0.25}
  groups: {c: {placement: packed, prefetch: 8}, p: {num_cpus: 2}}
  queues: {main: {resources: {disk: 1}}}
producers: {p: {count: 2, items: 10}}
consumers: {c: {}}
""",
)
WORDS = """
producers consumers stages queues seed items count sleep busy call to from kind maxsize batch distribution low high
mean sd min max values weights file extends name duration payload x-a start stop step share randint trace pipe
on_death on_error policy max_restarts retries hang_after item_timeout faults kill pause raise after gets puts for
address auto local head:6379 engine_options num_cpus resources placement packed prefetch groups CPU
restart fail continue skip retry c-0 p-1 p-9 nobody-0
1 0 -1 1e400 1e-400 0o17 0x1F .inf .nan 10ms 4KiB true null ~ << *a &a !!int !x | > |2- >+ ' " # % @ ` ? - : ,
[ ] { } --- ... %YAML ${A} ${B:-1} ${ $$ \\ \\x \\u12
"""
TOKENS = (*WORDS.split(), "\0", "\ufeff", "\u2028", "\x85", "é", "😀", "\t")
GAPS = (" ", " ", ": ", ", ", "\n", "\n  ", "\n- ", "", "\n\n    ", "\r\n", "\t")


def mutated(rng: random.Random) -> str:
    """A good config with up to six spans cut, doubled, moved or replaced."""
    text = rng.choice(GOOD)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(text) + 1)
        span = text[at : at + rng.randint(0, 12)]
        new = rng.choice(("", span * 2, rng.choice(TOKENS), chr(rng.randrange(0x20, 0x250)), "\n", "  "))
        text = text[:at] + new + text[at + len(span) :]
    return text


def tweaked(rng: random.Random) -> str:
    """A good config with one to three of its digits changed."""
    text = list(rng.choice(GOOD))
    digits = [at for at, character in enumerate(text) if character.isdecimal()]
    for at in rng.sample(digits, rng.randint(1, 3)):
        text[at] = rng.choice("0123456789")
    return "".join(text)


def soup(rng: random.Random) -> str:
    """Tokens of YAML and of the config language in any order."""
    return "".join(rng.choice(TOKENS) + rng.choice(GAPS) for _ in range(rng.randint(1, 60)))


def valued(rng: random.Random) -> str:
    """A good config with one of its values replaced by something odd."""
    text = rng.choice(GOOD)
    starts = [i + 2 for i in range(len(text) - 2) if text[i : i + 2] == ": "]
    at = rng.choice(starts)
    end = min((i for i in (text.find(c, at) for c in ",}\n") if i >= 0), default=len(text))
    odd = rng.choice(
        (*TOKENS, "9" * 99, "9" * 101, "-" + "9" * 5000, "1" + "0" * 18, "1e308", "[]", "{}", "[[1]]", '""')
    )
    return text[:at] + odd + text[end:]


def binary(rng: random.Random) -> bytes:
    """Bytes that may be no UTF-8."""
    data = bytearray(rng.choice(GOOD).encode())
    for _ in range(rng.randint(1, 8)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def nasty() -> Iterator[str | bytes]:
    """Documents made to break loaders."""
    tail = "producers: {p: {items: 10}}\nconsumers: {c: {}}\n"
    yield from ("", " ", "\n" * 1000, "#", "\0", "\ufeff", "---", "...", "%YAML 1.1\n---\n", "\ud800", "a: \udfff")
    yield from ("%YAML 3.0\n---\na: 1", "%TAG ! x\n---\na: 1", "a: \ufffe", "a:\r- b", "\ufeff\ufeffa: 1")
    yield from (b"\xff\xfea\x00", b"\xff" * 1000, b"a: \xed\xa0\x80", b"\x80", "a: é".encode("latin-1"))
    for bracket in ("[", "{", "- ", "? ", "[{", "{a: ", '{"a":[', "a:\n - ", "!!x ", "&a ", "-\n", "? - "):
        yield bracket * 100_000
        yield "x-a: " + bracket * 60
    for n in (2, 9, 50):
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, n)]
        yield "\n".join(lines)
        lines = ["a0: &a0 {k: v}"]
        lines += [f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}" for i in range(1, n)]
        yield "\n".join(lines)
    yield "x-a: &a {" + ", ".join(f"k{i}: 1" for i in range(30_000)) + "}\n" + "b: {<<: [" + "*a, " * 10_000 + "]}"
    yield "<<: [" + "{}, " * 40_000 + "]\n" + "".join(f"k{i}: 1\n" for i in range(20_000))
    yield 'x-a: &a "' + "y" * 500_000 + '"\nx-b: [' + "*a, " * 50_000 + "]"
    yield 'x-a: &a ["${HOME}"]\nproducers: {p: {items: {values: [' + "*a, " * 40_000 + "]}}}\nconsumers: {c: {}}"
    yield "a: &a\n" + "".join(f"b{i}: *a\n" for i in range(40_000))
    yield from (f"seed: {'9' * n}\n{tail}" for n in (99, 100, 101, 4301, 1_000_000))
    yield from (f"time_scale: {text}\n{tail}" for text in ("1e400", "-1e400", "1e-400", "0." + "1" * 1_000_000))
    yield f"seed: 0x{'f' * 1_000_000}\n{tail}"
    yield f"seed: 0o{'7' * 500_000}\n{tail}"
    yield from (f'{key}: "{"z" * 1_000_000}"\n{tail}' for key in ("name", "description", "engine", "duration", "zz"))
    yield f"{'k' * 1_000_000}: 1\n{tail}"
    yield f"? {'k' * 1_000_000}\n: 1\n{tail}"
    yield f"description: |\n{'  line' * 150_000}\n{tail}"
    yield f'description: "{chr(92)}u0000{"$" * 900_000}"\n{tail}'
    yield f'description: "{"${A" * 200_000}"\n{tail}'
    yield f'description: "{"${A:-" * 200_000}"\n{tail}'
    yield "a" * 1_048_576
    yield "a" * 1_048_577
    yield "a: 1\n" * 200_000
    yield "".join(f"k{i}: 1\n" for i in range(49_000))
    yield "producers: {" + ", ".join(f"p{i}: {{itms: 1}}" for i in range(30_000)) + "}"
    yield "producers: {" + ", ".join(f"p{i}: {{itms: 1}}" for i in range(999)) + "}\nconsumers: {c: {}}"
    yield "producers: {" + ", ".join(f"p{i}: {{items: 1, to: quee}}" for i in range(999)) + "}\nconsumers: {c: {}}"
    yield "producers: {p: {items: {values: [" + ".inf, " * 90_000 + "]}}}\nconsumers: {c: {}}"
    weights = "[" + "-1, " * 40_000 + "]"
    yield f"producers: {{p: {{items: 1, sleep: {{distribution: empirical, values: {weights}, weights: {weights}}}}}}}"
    chain = "".join(f"  s{i}: {{from: q{i}, to: q{i + 1}}}\n" for i in range(900))
    queues = "queues: {" + ", ".join(f"q{i}: {{}}" for i in range(901)) + "}\n"
    yield f"{queues}stages:\n{chain}producers: {{p: {{items: 1, to: q0}}}}\nconsumers: {{c: {{from: q900}}}}"
    ring = chain + "  back: {from: q900, to: q1}\n"
    yield f"{queues}stages:\n{ring}producers: {{p: {{items: 1, to: q0}}}}\nconsumers: {{c: {{from: q900}}}}"
    for stop in ("10" + "0" * 17, "1" + "0" * 90, "-9223372036854775808", "9223372036854775807"):
        for step in ("1", "-1", "9223372036854775807", "-9223372036854775808"):
            yield f"producers: {{p: {{items: {{start: {stop}, stop: -{stop}, step: {step}}}}}}}\nconsumers: {{c: {{}}}}"
    yield "faults: [" + "{kill: nobody-0, after: {gets: 1}}, " * 9_000 + "]\n" + tail
    yield "faults: [" + "{kill: nobody-0, after: {gets: 1}}, " * 999 + "]\n" + tail
    yield "faults: [" + "{kill: c-0, pause: c-0, aftr: 1}, " * 999 + "]\n" + tail
    yield from (f"faults: [{{kill: {name}}}]\n{tail}" for name in ("c-" + "9" * 5000, "c" * 500_000 + "-0", "-" * 9000))
    for section in ("producers", "consumers"):
        groups = section + ": {" + ", ".join(f"prodce{i}: {{items: 1}}" for i in range(999)) + "}\n"
        yield groups + "faults: [" + "{kill: produce-0, after: {puts: 1}}, " * 999 + "]"
    yield (
        "on_death: {policy: restart}\nqueues: {"
        + ", ".join(f"q{i}: {{kind: multiprocessing.Queue}}" for i in range(999))
        + "}"
    )
    yield 'queues: {"a\\nb": {}, "\\e[31m": {}}\nproducers: {"\\L": {items: 1}}\nconsumers: {"\\N": {from: "\\L"}}'
    yield f"extends: '{chr(0)}'"
    yield from (
        f'extends: "{path}"\n{tail}' for path in ("/", "/dev/null", "\\0", "x" * 5000, "${HOME}", "/proc/self/mem")
    )
    yield from (f'producers: {{p: {{items: {{file: "{path}"}}}}}}' for path in ("/", "/dev/zero", "\\0", "x" * 5000))
    yield from (f'pythonpath: ["{path}"]\n{tail}' for path in ("/", "\\0", "x" * 5000, "~"))


def texts(count: int) -> Iterator[str | bytes]:
    """The texts, always the same."""
    yield from nasty()
    makers: tuple[Callable[[random.Random], str | bytes], ...] = (mutated, tweaked, valued, soup, binary)
    for number in range(count):
        rng = random.Random(number)  # noqa: S311 - texts that come again
        yield makers[number % len(makers)](rng)


def again(text: str | bytes) -> float:
    """The seconds it takes a second time: the machine may have been busy."""
    from runner.config.load import loads
    from runner.errors import ConfigError

    began = time.process_time()
    with contextlib.suppress(ConfigError):
        loads(text, environ={"HOME": "/home"})
    return time.process_time() - began


def fuzz(count: int) -> dict[str, object]:
    """Load all texts; what became of them, and what should not have."""
    from runner.config.load import loads, to_yaml
    from runner.errors import ConfigError

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    good = wrong = 0
    bad: list[str] = []
    slowest = 0.0
    for text in texts(count):
        began = time.process_time()
        try:
            config = loads(text, environ={"HOME": "/home"})
            took = time.process_time() - began
            good += 1
            if loads(to_yaml(config)) != config:
                bad.append(f"not the same again: {text[:300]!r}")
        except ConfigError as error:
            took = time.process_time() - began
            wrong += 1
            if not all(str(problem).isprintable() for problem in error.problems) or not error.problems:
                bad.append(f"not a line each: {text[:300]!r}: {error}"[:2000])
        except BaseException as error:
            took = time.process_time() - began
            bad.append(f"{type(error).__name__}: {error}: {text[:300]!r}"[:2000])
        if took > SECONDS and (took := again(text)) > SECONDS:
            bad.append(f"{took:.1f} s: {text[:300]!r}")
        slowest = max(slowest, took)
    return {"good": good, "wrong": wrong, "bad": bad, "slowest": slowest}


@pytest.mark.slow
def test_any_text_ends_in_a_config_or_a_config_error() -> None:
    """10,000 texts (`make fuzz`: 100,000) and the nasty ones: never another exception, 2 s or 512 MB."""
    command = [sys.executable, str(Path(__file__)), str(TEXTS)]
    limit = 110 * max(1, TEXTS / 10_000)
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["bad"] == []
    assert found["good"] > TEXTS // 50
    assert found["wrong"] > TEXTS // 2


if __name__ == "__main__":
    sys.stdout.write(json.dumps(fuzz(int(sys.argv[1]))))
