#!/usr/bin/env bash
# The process in its surroundings: descriptors that a launcher closed, signals, limits of memory, cores it may use.
. "$(dirname "$0")/../e2e/common.sh"
cd "$scratch"
short=(--set data.evaluation.images=100 --set 'sensitivity.modes=[only]' --set 'sensitivity.precisions=[W8A8]' --set latency.source=none --set activations.images=0)

# Closed descriptors never become files of the run.
code=0
"$QSWEEP_BINARY" --threads 2 run "$demo" --out closed "${short[@]}" <&- >&- 2>&- || code=$?
[ "$code" -eq 0 ] || fail "with closed descriptors: exit code $code"
! grep -aq 'qsweep: \|W8A8 *[0-9]' closed/journal.qsj || fail "messages are in the journal"
"$QSWEEP_BINARY" --threads 1 run "$demo" --out closed "${short[@]}" >/dev/null 2>said || fail "the run again: $(cat said)"

# Signals: a run of many schemes, in its middle.
many=(--set 'sweep.families=[]' --set 'sweep.search={method: exhaustive, precisions: [W8A8, W4A8, W4A16]}' --set activations.images=0 --set latency.source=none)
# stops EXIT_CODE OUT SIGNAL...: sends them, then waits for the end; a signal that stays ignored is followed by another
stops() {
  local want=$1 out=$2 pid size code=0
  shift 2
  "${launcher[@]}" "$QSWEEP_BINARY" --threads 1 run "$demo" --out "$out" "${many[@]}" >/dev/null 2>said &
  pid=$!
  for _ in $(seq 300); do
    size=$(stat -c %s "$out/journal.qsj" 2>/dev/null || echo 0)
    [ "$size" -lt 100000 ] || break
    kill -0 $pid 2>/dev/null || fail "the run ended by itself: $(cat said)"
    sleep 0.1
  done
  for signal in "$@"; do
    kill -s "$signal" $pid
    sleep 0.5
  done
  wait $pid || code=$?
  [ "$code" -eq "$want" ] || fail "$*: exit code $code, not $want: $(cat said)"
}
launcher=(env)
for signal in HUP USR2 USR1 TERM; do stops 75 "run-$signal" $signal; done
launcher=(env --ignore-signal=HUP)
stops 75 run-nohup HUP TERM
before=$(stat -c %s run-nohup/journal.qsj)
[ "$before" -gt 100000 ] || fail "the run under nohup saved nothing"

# limited LIMIT EXIT_CODES COMMAND...: ends in time, with one of the codes, and an error on memory unless it is done
limited() {
  local limit=$1 allowed=$2 code=0
  shift 2
  # shellcheck disable=SC2086 # option and value
  (ulimit -c 0; ulimit $limit; exec timeout 60 "$QSWEEP_BINARY" "$@") >out 2>said || code=$?
  [[ " $allowed " == *" $code "* ]] || fail "ulimit $limit $*: exit code $code: $(cat said)"
  [ "$code" -eq 0 ] || { [ "$(grep -c '^qsweep: error' said)" -eq 1 ] && grep -qi 'memory\|thread' said; } || fail "ulimit $limit $*: $(cat said)"
}
if ! ldd "$QSWEEP_BINARY" | grep -q 'lib[at]san'; then
  limited "-v 200000" 0 --version
  for kib in 150000 200000 250000 300000 400000 600000; do
    limited "-v $kib" "0 4" --threads 2 run "$demo" --out "v$kib" "${short[@]}"
  done
  for kib in 10000 20000 40000 60000 100000; do
    limited "-d $kib" "0 4" --threads 2 run "$demo" --out "d$kib" "${short[@]}"
  done
fi

# A process that may use one core is one rank.
core=$(taskset -pc $$ | sed 's/.*: //; s/[,-].*//')
taskset -c "$core" "$QSWEEP_BINARY" run "$demo" --out one "${short[@]}" >/dev/null 2>said || fail "on one core: $(cat said)"
grep -q 'with 1 rank(s)' one/logs/rank-0.log || fail "on one core: $(grep 'rank(s)' one/logs/rank-0.log)"
