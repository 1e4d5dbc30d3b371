"""The examples in README and docs are true: each page is played through in a sandbox, block after block.

A block's first line says what it is: `# file: PATH` is written to the sandbox (YAML must be a valid config),
`# run: NAME.py` is written and executed, `# part` is neither. Lines `$ mprun …` of console blocks are executed,
runs among them at a hundredth of their time; `# exits with N` behind one says that it ends with N instead of 0.
What they print is for readers and is not compared, but on the pages of lessons: what is shown behind
`$ mprun simulate …`, or in a text block behind a Python block that is run, is what is printed, in this order; `…`
stands for lines left out.
The sandbox begins with a copy of configs/.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runner.config.load import load

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("[!_]*/*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARKER = re.compile(r"# (file|run|part)(?:: (\S+))?$")
STORY_FOLDERS = {"tutorial", "how-to", "explanation", "lessons"}
LESSONS = ROOT / "docs" / "lessons"
COMMANDS_THAT_RUN = re.compile(r"mprun (run )?\S+\.yaml")
SECONDS = 60


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page.

    Attributes:
        language: What stands behind the opening fence.
        kind: `file`, `run` or `part` as its first line says; empty where it says nothing.
        name: The path behind the kind, empty where there is none.
        text: All its lines.
        line: The line of the opening fence, from 1.
    """

    language: str
    kind: str
    name: str
    text: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    source = page.read_text()
    for match in FENCE.finditer(source):
        language, text = match.groups()
        marker = MARKER.match(text.partition("\n")[0])
        kind, name = marker.groups() if marker else ("", "")
        yield Block(language, kind, name or "", text, source.count("\n", 0, match.start()) + 1)


def commands(block: Block) -> Iterator[tuple[list[str], int, list[str]]]:
    """The `$ mprun` lines of a console block, each with its exit code and, of a simulation, what it prints."""
    for part in re.split(r"^(?=\$ )", block.text, flags=re.MULTILINE):
        line, *shown = part.splitlines() or [""]
        if line.startswith("$ mprun "):
            exit_code = re.search(r"# exits with (\d+)$", line)
            command = shlex.split(line[2:], comments=True)
            if COMMANDS_THAT_RUN.match(line[2:]):
                command += ["--time-scale", "0.01"]
            yield command, int(exit_code.group(1)) if exit_code else 0, shown if command[1] == "simulate" else []


def missing_line(shown: list[str], printed: str) -> str | None:
    """The first line of what a page shows that was not printed, or not in this order."""
    lines = iter([line.rstrip() for line in printed.splitlines()])
    return next((line for line in shown if line.strip() not in ("", "…") and line.rstrip() not in lines), None)


def play(block: Block, sandbox: Path, where: str, prints: str | None) -> None:
    """Do what the block says; `prints` is what its page says it prints, where that is looked at."""
    if block.kind in ("file", "run"):
        path = sandbox / block.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)
    match block.language, block.kind:
        case "yaml", "file":
            assert load(path).producers
        case "python", "run":
            printed = execute([sys.executable, block.name], 0, sandbox, where)
            assert prints is None or missing_line(prints.splitlines(), printed) is None, f"{where}:\n{printed}"
        case "console", _:
            for command, exit_code, shown in commands(block):
                program = str(Path(sys.executable).with_name(command[0]))
                printed = execute([program, *command[1:]], exit_code, sandbox, where)
                line = missing_line(shown, printed) if prints is not None else None
                assert line is None, f"{where}: {shlex.join(command)} does not print {line!r}, but\n{printed}"


def execute(command: list[str], exit_code: int, sandbox: Path, where: str) -> str:
    """Run a program; returns what it printed on stdout, then on stderr."""
    process = subprocess.run(
        command, cwd=sandbox, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL
    )
    said = f"{where}: {shlex.join(command)}\n{process.stdout[-2000:]}\n{process.stderr[-4000:]}"
    assert process.returncode == exit_code, said
    return process.stdout + process.stderr


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_example_says_what_it_is(page: Path) -> None:
    """On pages that tell a story no YAML or Python block goes unchecked by mistake."""
    if page.parent.name in STORY_FOLDERS or page.name == "README.md":
        unmarked = [b.line for b in blocks(page) if b.language in ("yaml", "python") and not b.kind]
        assert not unmarked, f"begin these blocks with # file: PATH, # run: NAME.py or # part: {unmarked}"


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if any(blocks(page))], ids=page_id)
def test_examples_work(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played = list(blocks(page))
    if any("import duckdb" in block.text for block in played) and not importlib.util.find_spec("duckdb"):
        pytest.skip("duckdb is not installed; it comes with the extra `analysis`")
    if any("--engine ray" in block.text for block in played if block.language == "console"):
        if not importlib.util.find_spec("ray"):
            pytest.skip("ray is not installed; it comes with the extra `ray`")
        monkeypatch.setenv("RAY_ADDRESS", "local")  # whatever cluster this machine belongs to
    shutil.copytree(ROOT / "configs", tmp_path / "configs", ignore=shutil.ignore_patterns("__pycache__"))
    for block, after in zip(played, [*played[1:], None], strict=True):
        prints = (after.text if after and after.language == "text" else "") if page.parent == LESSONS else None
        play(block, tmp_path, f"{page_id(page)}:{block.line}", prints)


def test_every_config_has_a_page_that_it_names() -> None:
    """A lesson; that of the first config is the tutorial."""
    for config in (ROOT / "configs").glob("*.yaml"):
        page = "docs/tutorial/first-run.md" if config.stem == "default" else f"docs/lessons/{config.stem}.md"
        assert f"\n# The lesson: {page}\n" in config.read_text(), config.name
        assert f"configs/{config.name}" in (ROOT / page).read_text(), page


def test_what_a_lesson_shows_is_compared_line_by_line() -> None:
    """The control of the comparison."""
    printed = "a 1\n\nb 2  \nc 3\n"
    assert missing_line(["a 1", "…", "c 3"], printed) is None
    assert missing_line(["a 1", "b 3"], printed) == "b 3"
    assert missing_line(["b 2", "a 1"], printed) == "a 1"


def test_examples_show_the_files_they_name() -> None:
    """A block that bears the name of a file in configs/ has its content, comments aside."""
    for page in PAGES:
        for block in blocks(page):
            original = ROOT / block.name
            if block.kind == "file" and block.name.startswith("configs/") and original.is_file():
                assert without_comments(block.text) == without_comments(original.read_text()), page


def without_comments(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_pages_link_to_files_that_exist() -> None:
    for page in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        targets = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", page.read_text())
        missing = [target for target in targets if not (page.parent / target).exists()]
        assert not missing, f"{page_id(page)} links to {missing}"


def test_environment_of_examples_is_this_one() -> None:
    """The command that examples run is the one installed beside this interpreter."""
    assert os.access(Path(sys.executable).with_name("mprun"), os.X_OK)
