#!/usr/bin/env bash
# A kit of the demo measured with ONNX Runtime and imported: the front goes by what was measured, nothing is evaluated
# again. Tables are taken too, and what does not fit is refused.
. "$(dirname "$0")/common.sh"
"$QSWEEP_BINARY" run "$demo" --out "$scratch/run" --set activations.images=0 --set latency.source=none \
  >"$scratch/before" 2>/dev/null
grep -q 'latency: none known' "$scratch/before" || fail "a latency out of nowhere"

# A table of whole schemes. Reports change, evaluations do not.
cut -d, -f2,6 "$scratch/run/outputs/sweep_index.csv" >"$scratch/metrics"
printf 'scheme,ms\nFP32,4\nW8A8,1\n' >"$scratch/t.csv"
"$QSWEEP_BINARY" latency "$scratch/run" --import "$scratch/t.csv" >"$scratch/out"
grep -q '^latency: another device, measured' "$scratch/out" || fail "the label: $(grep latency "$scratch/out")"
cut -d, -f2,6 "$scratch/run/outputs/sweep_index.csv" | cmp - "$scratch/metrics" || fail "importing changed what was evaluated"
grep -q 'W8A8' "$scratch/run/latency.csv" || fail "latency.csv lacks what was imported"
# It stays: running again measures nothing and evaluates nothing.
cp "$scratch/run/latency.csv" "$scratch/imported.csv"
"$QSWEEP_BINARY" run "$scratch/run/run_config.yaml" --out "$scratch/run" >/dev/null 2>&1
cmp "$scratch/run/latency.csv" "$scratch/imported.csv" || fail "the imported table did not stay"

refused() {  # words the message must hold, then arguments of --import
  local words=$1
  shift
  if "$QSWEEP_BINARY" latency "$scratch/run" --import "$@" >/dev/null 2>"$scratch/err"; then fail "accepted: $*"; fi
  grep -q "$words" "$scratch/err" || fail "$words is not in: $(cat "$scratch/err")"
}
printf 'scheme,ms\nFP32,inf\n' >"$scratch/inf.csv"
refused 'inf.csv:2' "$scratch/inf.csv"
printf 'scheme,ms\nW3A5,1\n' >"$scratch/unknown.csv"
refused "no scheme 'W3A5'" "$scratch/unknown.csv"
printf 'scheme,ms\nW8A8,1\n' >"$scratch/nofloat.csv"
refused 'no time of the float model' "$scratch/nofloat.csv"
cmp "$scratch/run/latency.csv" "$scratch/imported.csv" || fail "a refused import changed the table"

[ -x "${QSWEEP_PYTHON:-}" ] || skip "measuring a kit with ONNX Runtime (no Python environment)"
"$QSWEEP_PYTHON" -c 'import onnxruntime' 2>/dev/null || skip "measuring a kit (no onnxruntime)"
"$QSWEEP_BINARY" latency "$scratch/run" --kit "$scratch/kit" --measure "$QSWEEP_PYTHON" >"$scratch/out" 2>"$scratch/err" ||
  fail "the kit: $(tail -3 "$scratch/err")"
grep -q '^latency: ONNX Runtime .* 1 thread, measured' "$scratch/out" || fail "the label: $(head -3 "$scratch/out")"
grep -q 'additive model against whole files: median error' "$scratch/out" || fail "no residuals: $(head -3 "$scratch/out")"
if grep -q 'answers are those' "$scratch/out"; then fail "answers differ: $(grep answers "$scratch/out")"; fi
cut -d, -f2,6 "$scratch/run/outputs/sweep_index.csv" | cmp - "$scratch/metrics" || fail "the kit changed what was evaluated"
"$QSWEEP_PYTHON" - "$scratch" <<'PY'
import csv, json, sys
scratch = sys.argv[1]
measured = json.load(open(f"{scratch}/kit/measurements.json"))
times = {m["scheme_id"]: m["times"]["median_ms"] for m in measured["models"] if "times" in m}
assert len(times) >= 8, times
rows = {r["scheme_id"]: r for r in csv.DictReader(open(f"{scratch}/run/outputs/sweep_index.csv"))}
shared = [i for i in times if i in rows]
assert shared, "no scheme of the run was measured"
for i in shared:
    assert abs(float(rows[i]["latency_ms"]) - times[i]) < 1e-9 and rows[i]["latency_source"] == "whole file", rows[i]
decision = json.load(open(f"{scratch}/run/decision.json"))
assert decision["latency"].startswith("ONNX Runtime"), decision["latency"]
PY
