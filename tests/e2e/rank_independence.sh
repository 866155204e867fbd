#!/usr/bin/env bash
# One process, two and three ranks: byte-equal results, with adapted weights too.
. "$(dirname "$0")/common.sh"
options=(--set latency.source=roofline --set latency.device=cpu-avx512-vnni)
# compare NAME "RANKS..." OPTION...
compare() {
  local name=$1 counts=$2 n
  shift 2
  "$QSWEEP_BINARY" run "$demo" --out "$scratch/$name-1" "$@" >/dev/null
  for n in $counts; do
    ranks "$n" "$QSWEEP_BINARY" run "$demo" --out "$scratch/$name-$n" "$@" >/dev/null
    same_results "$scratch/$name-1" "$scratch/$name-$n"
  done
}
compare plain "2 3" "${options[@]}"
compare base 2 "${options[@]}" --set sensitivity.base=W8A8 --set 'sensitivity.precisions=[W4A8]'
compare awq 2 "${options[@]}" --set quantization.algorithm=awq_full --set quantization.bias_correction=true
compare smooth 2 "${options[@]}" --set quantization.algorithm=smoothquant --set quantization.smoothquant_alpha=auto
