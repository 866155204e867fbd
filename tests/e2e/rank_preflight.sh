#!/usr/bin/env bash
# Ranks that see another evaluation set, or cannot open it, end the run before any work, with one error that names them.
. "$(dirname "$0")/common.sh"
folder=$(dirname "$demo")
images=$(stat -c %s "$folder/eval.bin")
# Each rank opens eval.bin in the folder in which it starts.
mkdir "$scratch"/rank-{0,1,2}
for rank in 0 1 2; do cp "$folder/eval.bin" "$scratch/rank-$rank"; done
# preflight NAME: stdout and stderr of three ranks go to NAME.out and NAME.err; the exit code is mpirun's, which is rank 0's.
preflight() {
  code=0
  # shellcheck disable=SC2016  # for the ranks' shells
  ranks 3 sh -c 'cd "$1/rank-$OMPI_COMM_WORLD_RANK" && shift && exec "$@"' sh "$scratch" \
    "$QSWEEP_BINARY" sensitivity "$demo" --set data.evaluation.path=/proc/self/cwd/eval.bin --out "$scratch/$1" \
    >"$scratch/$1.out" 2>"$scratch/$1.err" || code=$?
}
says() { grep -q "$2" "$scratch/$1.err" || { cat "$scratch/$1.err" >&2; fail "$1: no word of: $2"; }; }
no_result() { [ ! -e "$scratch/$1/layer-sensitivity-report.json" ] || fail "$1: a result was written"; }

preflight equal
[ "$code" -eq 0 ] || { cat "$scratch/equal.err" >&2; fail "equal ranks: exit code $code"; }

head -c "$images" /dev/zero >"$scratch/rank-1/eval.bin"
cp "$scratch/rank-1/eval.bin" "$scratch/rank-2"
preflight other
[ "$code" -eq 3 ] || fail "other data: exit code $code"
says other 'error: 2 of 3 ranks differ from rank 0: ranks 1-2 on .*evaluation'
no_result other

cp "$folder/eval.bin" "$scratch/rank-1"
rm "$scratch/rank-2/eval.bin"
preflight missing
[ "$code" -eq 3 ] || fail "missing data: exit code $code"
says missing 'error: 1 of 3 ranks cannot take part: rank 2 on .*eval.bin'
no_result missing

# Nothing of it is left behind: the same folder serves once the ranks agree.
cp "$folder/eval.bin" "$scratch/rank-2"
preflight missing
[ "$code" -eq 0 ] || fail "after the failure: exit code $code"
cmp "$scratch/equal/layer-sensitivity-report.json" "$scratch/missing/layer-sensitivity-report.json" ||
  fail "another result after a failed start"
