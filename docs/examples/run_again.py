"""From a run to a model of it: run, rerun, compare, fit, simulate; and find the runs again.

    python docs/examples/run_again.py

The runs are real ones, of a second each.
"""

import tempfile
from pathlib import Path

import runner

CONFIG = "configs/back-pressure.yaml"
SHORT = {"producers.fast.items": 400, "time_scale": 0.02}

first = runner.run(runner.load(CONFIG, SHORT))
print(f"a run: {first.summary['items']['done']} items in {first.summary['makespan_s']:.3f} s, {first.run_dir}")

again = runner.rerun(first.run_dir)
print(f"run again: {'the same' if again.same else 'another'} experiment, {len(again.drifts)} things drifted")
(comparison,) = again.compared().comparisons
print(comparison.sentence)

slower = runner.run(runner.load(CONFIG, {**SHORT, "time_scale": 0.03}))
compared = runner.compare(first, slower)
print(compared.comparisons[0].sentence)

with tempfile.TemporaryDirectory() as folder:
    fitted = runner.fit(first.run_dir, Path(folder) / "observed.yaml")
    model = runner.simulate(runner.load(fitted.path), store=False)
print(f"its recorded times, simulated: {model.summary['makespan_s']:.3f} s; the rest is what the queues cost")

for run in runner.stored_runs(where=["status=ok", "name=back-*"], sort="makespan_s"):
    print(f"{run.facts['run']}: {run.value('makespan_s'):.3f} s")
