#!/usr/bin/env bash
# One thread, three threads, two and three processes: byte-equal results, with adapted weights too.
. "$(dirname "$0")/common.sh"
options=(--set latency.source=roofline --set latency.device=cpu-avx512-vnni)
# compare NAME "RANKS..." OPTION...
compare() {
  local name=$1 counts=$2 n
  shift 2
  "$QSWEEP_BINARY" run "$demo" --threads 1 --out "$scratch/$name-1" "$@" >/dev/null
  "$QSWEEP_BINARY" run "$demo" --threads 3 --out "$scratch/$name-threads" "$@" >/dev/null
  same_results "$scratch/$name-1" "$scratch/$name-threads"
  for n in $counts; do
    ranks "$n" "$QSWEEP_BINARY" run "$demo" --out "$scratch/$name-$n" "$@" >/dev/null
    same_results "$scratch/$name-1" "$scratch/$name-$n"
  done
}
compare plain "2 3" "${options[@]}"
compare base 2 "${options[@]}" --set sensitivity.base=W8A8 --set 'sensitivity.precisions=[W4A8]'
compare awq 2 "${options[@]}" --set quantization.algorithm=awq_full --set quantization.bias_correction=true
compare smooth 2 "${options[@]}" --set quantization.algorithm=smoothquant --set quantization.smoothquant_alpha=auto

# Without images to evaluate, so that only the calibration is shared out.
folder=$(dirname "$demo")
exported() {
  "${@:2}" export "$folder/demo_cnn.onnx" --scheme '*=W8A8' --calib "cifar10:$folder/train.bin" --out "$scratch/$1.onnx" >/dev/null
}
exported one "$QSWEEP_BINARY" --threads 1
exported threads "$QSWEEP_BINARY" --threads 5
exported ranks ranks 3 "$QSWEEP_BINARY"
for other in threads ranks; do cmp "$scratch/one.onnx" "$scratch/$other.onnx" || fail "exported by $other: another file"; done
