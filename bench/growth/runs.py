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
    node: float  # most MiB that the ranks held together, what they share counted once; 0: not asked for
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


def proportional_mib(pid):
    """Resident memory, what n processes share counted as an nth; 0 of a process that has gone."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def run(qsweep, text, folder, ranks, watch_node=False):
    """Runs the job `text` in `folder`, anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "job.yaml").write_text(text)
    launcher, threads = [], []
    if ranks == 1:
        threads = ["--threads", "1"]
    else:
        root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
        launcher = ["mpirun", *root, "--oversubscribe", "--bind-to", "none", "-n", str(ranks)]
    start = time.perf_counter()
    node = 0.0
    with open(folder / "stderr", "w+") as errors:
        launched = subprocess.Popen([*launcher, sys.executable, __file__, str(folder), qsweep, "run", str(folder / "job.yaml"), "--out", str(folder / "out"), *threads],
                                    stdout=subprocess.DEVNULL, stderr=errors)
        while watch_node and launched.poll() is None:
            node = max(node, sum(proportional_mib(pid.read_text()) for pid in folder.glob("pid-*")))
            time.sleep(0.1)
        launched.wait()
        seconds = time.perf_counter() - start
        errors.seek(0)
        if launched.returncode != 0:
            sys.exit(f"the run failed:\n{errors.read()}")
    found = [json.loads((folder / f"rank-{r}.json").read_text()) for r in range(ranks)]
    return Run(seconds, [f["cpu"] for f in found], [f["peak"] for f in found], node, folder / "out")


def rank(folder, command):
    """One rank: the program as a child, so that what it took is known apart from its launcher."""
    number = os.environ.get("OMPI_COMM_WORLD_RANK", "0")
    process = subprocess.Popen(command)
    pathlib.Path(folder, f"pid-{number}").write_text(str(process.pid))
    _, status, usage = os.wait4(process.pid, 0)
    pathlib.Path(folder, f"rank-{number}.json").write_text(json.dumps({"cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss / 1024}))
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    rank(sys.argv[1], sys.argv[2:])
