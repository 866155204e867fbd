#!/usr/bin/env bash
# The demo job on two ranks leaves every file of a run directory; the HDF5 file opens with h5py.
. "$(dirname "$0")/common.sh"
ranks 2 "$QSWEEP_BINARY" run "$demo" --out "$scratch/run" --set latency.iterations=3 --set latency.warmup_ms=1 >"$scratch/out"

for file in run_config.yaml manifest.json journal.qsj sweep.h5 layer-sensitivity-report.md layer-sensitivity-report.json \
  outputs/sweep_index.csv outputs/sweep_index.json latency.csv pareto.csv pareto.json tradeoff.csv decision.json \
  report.html logs/rank-0.log; do
  [ -s "$scratch/run/$file" ] || fail "$file is missing or empty"
done
compgen -G "$scratch/run/activations/rank-*.h5" >/dev/null || fail "no activations were kept"
grep -q 'report:' "$scratch/out" || fail "the program did not say where the report is"

cp "$scratch/run/sweep.h5" "$scratch/run/first.h5"  # the one that knows of tasks

# The composed configuration runs again to the same results, finding everything done.
"$QSWEEP_BINARY" run "$scratch/run/run_config.yaml" --out "$scratch/run" >"$scratch/again"
cmp "$scratch/out" "$scratch/again" || fail "running again changed the front"

[ -x "${QSWEEP_PYTHON:-}" ] || { echo "skipped: reading sweep.h5 with h5py (no Python environment)"; exit 0; }
"$QSWEEP_PYTHON" "$(dirname "$0")/read_store.py" "$scratch/run/first.h5"
