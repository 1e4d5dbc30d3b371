"""A run directory is made once, never overwritten, and found again."""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import ConfigError, LogError
from runner.log import rundir
from runner.log.manifest import manifest
from runner.log.rundir import RunDir

if TYPE_CHECKING:
    from pathlib import Path


def test_a_new_one_has_its_name_its_journals_and_is_the_latest(tmp_path: Path) -> None:
    made = rundir.create(tmp_path / "some" / "runs", "name")
    assert re.fullmatch(r"\d{8}T\d{6}Z-name-[0-9a-f]{4}", made.name)
    assert made.path.is_absolute()
    assert made.journals.is_dir()
    assert str((tmp_path / "some/runs/latest").readlink()) == made.name
    other = rundir.create(tmp_path / "some" / "runs", "name")
    assert other.path != made.path
    assert rundir.find(None, tmp_path / "some" / "runs").path == other.path
    assert sorted(path.name for path in (tmp_path / "some/runs").iterdir()) == sorted([made.name, other.name, "latest"])


def test_a_name_taken_is_never_taken_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = iter(["aaaa", "aaaa", "bbbb"])
    monkeypatch.setattr("secrets.token_hex", lambda size: next(ends) if size == 2 else "link")
    first, second = rundir.create(tmp_path, "x"), rundir.create(tmp_path, "x")
    assert (first.name[-4:], second.name[-4:]) == ("aaaa", "bbbb")


@given(st.text(min_size=1, max_size=120))
def test_any_name_of_a_config_can_be_a_folders(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    out = tmp_path_factory.mktemp("runs")
    assert rundir.create(out, name).path.parent == out.resolve()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigError, match="Permission denied"):
        rundir.create(tmp_path, "x")


def test_a_file_in_the_way_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot be written: .*--out"):
        rundir.create(tmp_path / "file", "x")


def test_what_is_written_is_whole_and_read_back(tmp_path: Path) -> None:
    made = rundir.create(tmp_path, "x")
    made.write_json(rundir.MANIFEST, {"ä": [1]})
    made.write_json(rundir.SUMMARY, {"s": None})
    assert made.manifest() == {"ä": [1]}
    assert made.summary() == {"s": None}
    assert sorted(path.name for path in made.path.iterdir()) == ["journals", "manifest.json", "summary.json"]
    (made.path / rundir.SUMMARY).write_text("{")
    with pytest.raises(LogError, match="cannot be read"):
        made.summary()
    (made.path / rundir.SUMMARY).unlink()
    with pytest.raises(LogError, match=r"has no summary\.json"):
        made.summary()


def test_inputs_are_copied(tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(b"\xff\n")
    made = rundir.create(tmp_path / "runs", "x")
    made.copy_inputs({str(tmp_path / "rows"): "inputs/rows"})
    assert (made.path / "inputs" / "rows").read_bytes() == b"\xff\n"


def test_names_of_files_that_are_no_unicode_are_stored(tmp_path: Path) -> None:
    made = rundir.create(tmp_path, "x")
    made.write_json(rundir.MANIFEST, {"command_line": [os.fsdecode(b"caf\xe9.yaml")]})
    (stored,) = made.manifest()["command_line"]
    assert os.fsencode(stored) == b"caf\xe9.yaml"


def test_a_run_that_never_began_is_discarded_and_latest_points_back(tmp_path: Path) -> None:
    kept = rundir.create(tmp_path, "kept")
    kept.write_json(rundir.MANIFEST, {})
    rundir.create(tmp_path, "gone").discard()
    assert rundir.find(None, tmp_path).path == kept.path
    kept.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_found_by_path_and_by_name(tmp_path: Path) -> None:
    made = rundir.create(tmp_path, "x")
    assert rundir.find(str(made.path), tmp_path / "elsewhere").path == made.path
    assert rundir.find(made.name, tmp_path).path == made.path
    with pytest.raises(LogError, match="no such run"):
        rundir.find("nothing", tmp_path)
    with pytest.raises(LogError, match="there is no run"):
        rundir.find(None, tmp_path / "elsewhere")


def test_runs_are_listed_oldest_first_and_only_runs(tmp_path: Path) -> None:
    for name in ("20250102T000000Z-b-0000", "20250101T000000Z-a-ffff", "no run"):
        (tmp_path / name).mkdir()
        if name != "no run":
            RunDir(tmp_path / name).write_json(rundir.MANIFEST, {})
    (tmp_path / "latest").symlink_to("20250102T000000Z-b-0000")
    assert [one.name[-6:] for one in rundir.all_runs(tmp_path)] == ["a-ffff", "b-0000"]
    assert rundir.all_runs(tmp_path / "nowhere") == []


def test_a_digest_is_of_the_files_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert rundir.sha256_of(tmp_path / "x") == hashlib.sha256(b"abc").hexdigest()


def test_a_manifest_describes_machine_and_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    facts = manifest("run", "fork", ["mprun", "x"], {"seed": 1})
    assert (facts["run"], facts["status"], facts["exit_code"], facts["overrides"]) == (
        "run",
        "running",
        None,
        {"seed": 1},
    )
    assert facts["versions"]["msgspec"]
    assert facts["cpu"]["usable"] >= 1
    assert facts["git"] is None
