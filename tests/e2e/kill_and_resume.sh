#!/usr/bin/env bash
# SIGKILL of everything at various moments, then other rank counts: the same results as an undisturbed run.
. "$(dirname "$0")/common.sh"
options=(--set latency.source=roofline --set latency.device=cpu-avx512-vnni)
"$QSWEEP_BINARY" run "$demo" --out "$scratch/whole" "${options[@]}" >/dev/null

n=1
for seconds in 0.4 0.7 1.0 1.4; do
  setsid bash -c '. "$0"; ranks "$@"' "$(dirname "$0")/start_ranks.sh" $n "$QSWEEP_BINARY" run "$demo" --out "$scratch/killed" "${options[@]}" >/dev/null 2>&1 &
  group=$!
  sleep "$seconds"
  kill -KILL -- "-$group" 2>/dev/null || true
  pkill -KILL -f -- "--out $scratch/killed" 2>/dev/null || true
  wait "$group" 2>/dev/null || true
  n=$((n % 3 + 1))
done
ranks 2 "$QSWEEP_BINARY" run "$demo" --out "$scratch/killed" "${options[@]}" >/dev/null
same_results "$scratch/whole" "$scratch/killed"

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
