"""Runs a job on one or more ranks and tells what it took: imported by growth.py and memory.py."""
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time


@dataclasses.dataclass
class Run:
    seconds: float  # from the launch to the end: start-up, calibration and reports included
    cpu: list  # seconds, by rank
    peak: list  # resident MiB, by rank
    folder: pathlib.Path


def inspect(qsweep, model):
    """Names of the layers, in order."""
    return [layer["name"] for layer in json.loads(subprocess.run([qsweep, "inspect", str(model), "--json"], check=True, capture_output=True).stdout)["layers"]]


def job(model, calibration, evaluation, images, shard, sensitivity, sweep):
    return f"""model: {os.path.abspath(model)}
data:
  calibration: {{{calibration}}}
  evaluation: {{{evaluation}, images: {images}, shard: {shard}}}
sensitivity: {{precisions: [{", ".join(sensitivity)}]}}
sweep: {sweep}
latency: {{source: none}}
activations: {{images: 0}}
"""


def run(qsweep, text, folder, ranks):
    """Runs the job `text` in `folder`, anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "job.yaml").write_text(text)
    launcher = []
    if ranks > 1:
        root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
        launcher = ["mpirun", *root, "--oversubscribe", "--bind-to", "none", "-n", str(ranks)]
    start = time.perf_counter()
    done = subprocess.run([*launcher, sys.executable, __file__, str(folder), qsweep, "run", str(folder / "job.yaml"), "--out", str(folder / "out")],
                          capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        sys.exit(f"the run failed:\n{done.stderr}")
    found = [json.loads((folder / f"rank-{r}.json").read_text()) for r in range(ranks)]
    return Run(seconds, [f["cpu"] for f in found], [f["peak"] for f in found], folder / "out")


def rank(folder, command):
    """One rank: the program as a child, so that what it took is known apart from its launcher."""
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    number = os.environ.get("OMPI_COMM_WORLD_RANK", "0")
    pathlib.Path(folder, f"rank-{number}.json").write_text(json.dumps({"cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss / 1024}))
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    rank(sys.argv[1], sys.argv[2:])
