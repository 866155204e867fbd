#!/usr/bin/env bash
# One process, two and three ranks: byte-equal results.
. "$(dirname "$0")/common.sh"
options=(--set latency.source=roofline --set latency.device=cpu-avx512-vnni)
"$QSWEEP_BINARY" run "$demo" --out "$scratch/1" "${options[@]}" >/dev/null
for n in 2 3; do
  ranks $n "$QSWEEP_BINARY" run "$demo" --out "$scratch/$n" "${options[@]}" >/dev/null
  same_results "$scratch/1" "$scratch/$n"
done
