#!/usr/bin/env bash
# SIGKILL of everything at various moments, then other rank counts: the same results as an undisturbed run.
. "$(dirname "$0")/common.sh"
options=(--set latency.source=roofline --set latency.device=cpu-avx512-vnni)
"$QSWEEP_BINARY" run "$demo" --out "$scratch/whole" "${options[@]}" >/dev/null

# start DIR N OPTION...: the run on N ranks, in the background as $group
start() {
  local directory=$1 n=$2
  shift 2
  setsid bash -c '. "$0"; ranks "$@"' "$(dirname "$0")/start_ranks.sh" "$n" "$QSWEEP_BINARY" run "$demo" --out "$directory" "$@" >/dev/null 2>&1 &
  group=$!
}
# Everything of the session that `start` began, ranks in their own process groups too.
kill_all() {
  pkill -KILL -s "$group" 2>/dev/null || true
  wait "$group" 2>/dev/null || true
  # A killed rank holds the lock of the run until it is gone.
  for _ in $(seq 200); do
    pgrep -r D,R,S,T -s "$group" >/dev/null || break
    sleep 0.05
  done
}

n=1
for seconds in 0.4 0.7 1.0 1.4; do
  start "$scratch/killed" $n "${options[@]}"
  sleep "$seconds"
  kill_all
  n=$((n % 3 + 1))
done
ranks 2 "$QSWEEP_BINARY" run "$demo" --out "$scratch/killed" "${options[@]}" >/dev/null
same_results "$scratch/whole" "$scratch/killed"

# Adapted weights: killed each time another layer has been adapted. Their records have keys such as 3/W4A8.
adapted_layers() { { grep -aoE '[0-9]/W[48]A[0-9]' "$1/journal.qsj" 2>/dev/null || true; } | wc -l; }
for weights in "--set quantization.algorithm=awq_full --set quantization.bias_correction=true" \
  "--set quantization.algorithm=smoothquant --set quantization.smoothquant_alpha=auto"; do
  read -ra adapted <<<"${options[*]} $weights --set sensitivity.modes=[only]"
  rm -rf "$scratch/whole_adapted" "$scratch/killed_adapted"
  "$QSWEEP_BINARY" run "$demo" --out "$scratch/whole_adapted" "${adapted[@]}" >/dev/null 2>&1
  for n in 1 2 1; do
    before=$(adapted_layers "$scratch/killed_adapted")
    start "$scratch/killed_adapted" $n "${adapted[@]}"
    while [ "$(adapted_layers "$scratch/killed_adapted")" -le "$before" ] && kill -0 "$group" 2>/dev/null; do sleep 0.02; done
    kill_all
    echo "killed with $(adapted_layers "$scratch/killed_adapted") of $(adapted_layers "$scratch/whole_adapted") adaptations"
    [ ! -e "$scratch/killed_adapted/report.html" ] || fail "$weights: the run ended before it was killed"
  done
  ranks 2 "$QSWEEP_BINARY" run "$demo" --out "$scratch/killed_adapted" "${adapted[@]}" >/dev/null 2>&1
  same_results "$scratch/whole_adapted" "$scratch/killed_adapted"
done

# A polite stop saves the state and says so with exit code 75; the same command goes on.
"$QSWEEP_BINARY" run "$demo" --out "$scratch/stopped" "${options[@]}" >/dev/null 2>"$scratch/stop.log" &
process=$!
sleep 0.5
kill -TERM "$process" 2>/dev/null || true
code=0
wait "$process" || code=$?
[ "$code" -eq 75 ] || [ "$code" -eq 0 ] || fail "SIGTERM ended with $code instead of 75: $(cat "$scratch/stop.log")"
"$QSWEEP_BINARY" run "$demo" --out "$scratch/stopped" "${options[@]}" >/dev/null
same_results "$scratch/whole" "$scratch/stopped"
