"""How many consumers are worth it? A sweep, its table, and the smallest number that meets a target.

    python docs/examples/best_number.py

Everything is simulated: it takes seconds, whatever the runs would take. With `engine: processes` among the overrides
the same sweep is run for real.
"""

import runner

CONFIG = "configs/back-pressure.yaml"
COUNT = "consumers.slow.count"

found = runner.sweep(CONFIG, vary={COUNT: "1..6"}, repeat=6, overrides={"engine": "simulation"})
figures = found.figures
gained = {each.workers: each for each in figures.speed_ups(COUNT)}

print("consumers  items/s  speed-up (with the interval)  efficiency  latency p99")
for place, cell in enumerate(figures.cells):
    throughput = figures.estimate("throughput", place)
    latency = figures.estimate("latency.p99", place)
    speed_up, efficiency = gained[cell[COUNT]].speed_up, gained[cell[COUNT]].efficiency
    print(
        f"{cell[COUNT]:9}  {throughput.median:7.1f}  {speed_up.median:8.2f} ({speed_up.low:.2f} to {speed_up.high:.2f})"
        f"{efficiency.median:18.0%}  {latency.median:8.3f} s"
    )
place, best = figures.best("throughput", largest=True)
print(f"most items per second: {best.median:.1f}, with {figures.cells[place][COUNT]} consumers")

advice = runner.advise(runner.load(CONFIG), "latency.p99 < 150ms", f"{COUNT}=1..16")
print(advice.sentence)
