"""The shape of the code: which module may know which, what workers must not load, what no file may name."""

from __future__ import annotations

import ast
import graphlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

import runner

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "runner"

# A room imports only from floors below its own, and from itself. The front door, runner/__init__ (""), stands
# above all that it hands out: only the command line comes in through it.
FLOORS = {
    "errors": 0,
    "envelope": 0,
    "figures": 0,
    "lifeline": 0,
    "standard": 0,
    "log": 1,
    "config": 1,
    "planning": 2,
    "analysis": 2,
    "queues": 3,
    "engines": 4,
    "api": 5,
    "remedy": 5,
    "testing": 5,
    "experiments": 6,
    "reports": 7,
    "": 8,
    "cli": 9,
    "__main__": 10,
}
ROOMS_WITH_CODE_IN_INIT = {
    "",
    "queues",
    "engines",
    "cli",
}  # the lazy front door, two registries, the entry point
HEAVY = {"pydantic", "typer", "rich", "structlog", "yaml"}
WORKER_SIDE = [
    "runner.errors",
    "runner.config.distributions",
    "runner.planning.plan",
    "runner.planning.steps",
    "runner.planning.draws",
    "runner.log.journal",
    "runner.queues",
    "runner.engines.worker",
    "runner.engines.process_worker",
]


class Import(NamedTuple):
    """One import of a module of this package by another.

    Attributes:
        importer: The module that contains it.
        imported: The module asked for.
        at_module_level: Whether it stands outside functions; `if TYPE_CHECKING:` is at module level.
    """

    importer: str
    imported: str
    at_module_level: bool


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def room(module: str) -> str:
    return (*module.split("."), "")[1]


def imported_modules(node: ast.AST, importer: str) -> Iterator[str]:
    """The modules of this package that one import statement asks for; empty for any other node."""
    match node:
        case ast.Import(names=names):
            asked = [alias.name for alias in names]
        case ast.ImportFrom(module=module, names=names, level=level):
            package = importer if MODULES[importer].name == "__init__.py" else importer.rpartition(".")[0]
            base = module or ""
            if level:
                base = ".".join(filter(None, [package.rsplit(".", level - 1)[0], base]))
            asked = [f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base for alias in names]
        case _:
            asked = []
    yield from (name for name in asked if name.split(".")[0] == "runner")


def imports_of(module: str) -> Iterator[Import]:
    tree = ast.parse(MODULES[module].read_text())
    inner = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        for imported in imported_modules(node, module):
            yield Import(module, imported, id(node) not in inner)


IMPORTS = sorted({each for module in MODULES for each in imports_of(module)})


def test_every_module_stands_on_a_floor() -> None:
    homeless = [name for name in MODULES if room(name) not in FLOORS]
    assert not homeless, f"give these rooms a floor in FLOORS, or their modules a home: {homeless}"


def test_every_imported_module_exists() -> None:
    assert not [each for each in IMPORTS if each.imported not in MODULES]


def test_imports_point_down() -> None:
    """Imports inside functions and under TYPE_CHECKING count too: a floor says whom a reader must know."""
    wrong = [
        f"{each.importer} -> {each.imported}"
        for each in IMPORTS
        if room(each.importer) != room(each.imported)
        and FLOORS.get(room(each.imported), 99) >= FLOORS.get(room(each.importer), 99)
    ]
    assert not wrong


def test_no_import_cycles() -> None:
    """Module-level imports, those under TYPE_CHECKING included, form no cycle."""
    graph: dict[str, set[str]] = {module: set() for module in MODULES}
    for each in IMPORTS:
        if each.at_module_level and each.importer != each.imported:
            graph[each.importer].add(each.imported)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))


def test_room_inits_hold_only_a_docstring() -> None:
    """Whoever imports one module of a room must not pay for the others."""
    for module, path in MODULES.items():
        if path.name == "__init__.py" and room(module) not in ROOMS_WITH_CODE_IN_INIT:
            (docstring,) = ast.parse(path.read_text()).body
            assert isinstance(docstring, ast.Expr), path


def loaded_by(*modules: str) -> dict[str, list[str]]:
    """For each module, imported one after the other in one new interpreter: all that is loaded after it."""
    script = (
        "import importlib, json, sys\n"
        "loaded = {}\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        "    loaded[name] = sorted(sys.modules)\n"
        "print(json.dumps(loaded))\n"
    )
    command = [sys.executable, "-c", script, *modules]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    loaded: dict[str, list[str]] = json.loads(output)
    return loaded


def test_workers_load_nothing_heavy() -> None:
    """Eight workers importing structlog and pydantic are ready a second later than eight that do not."""
    modules = [
        name
        for name in MODULES
        if any(name == side or name.startswith((f"{side}.", f"{side}_")) for side in WORKER_SIDE)
    ]
    for module, loaded in loaded_by(*modules).items():
        assert not HEAVY & set(loaded), f"importing {module} loads {sorted(HEAVY & set(loaded))}"


@pytest.mark.process
@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
def test_running_workers_have_loaded_nothing_heavy(start_method: str, tmp_path: Path) -> None:
    """What a worker unpickles must bring nothing along either; under fork it inherits whatever is there."""
    (tmp_path / "look.py").write_text(
        f"import sys\n\n\ndef look(item):\n    assert not {HEAVY} & set(sys.modules), sorted(sys.modules)\n"
    )
    (tmp_path / "look.yaml").write_text(
        f"start_method: {start_method}\npythonpath: [.]\n"
        "producers: {produce: {items: 1, sleep: {distribution: exponential, mean: 0.001}}}\n"
        "consumers: {consume: {call: look:look}}\n"
    )
    result = runner.run(runner.load(tmp_path / "look.yaml"), out=tmp_path)
    assert result.exit_code == 0, (result.run_dir / "events.jsonl").read_text()


def test_importing_the_package_loads_none_of_its_parts() -> None:
    loaded = loaded_by("runner")["runner"]
    assert [name for name in loaded if name.split(".")[0] == "runner"] == ["runner"]
    assert not (HEAVY | {"msgspec", "multiprocessing", "asyncio"}) & set(loaded)


def tracked_files() -> list[Path]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no git checkout: what belongs to the project cannot be told from what lies around")
    return [path for name in listing.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_file_names_paths_of_the_machine_it_was_written_on() -> None:
    pattern = re.compile(rb"(?<![\w.$}-])/(?:work|root)/|[.]library\b")
    assert not [str(path) for path in tracked_files() if pattern.search(path.read_bytes())]
