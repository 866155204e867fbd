# Shared by the end-to-end scripts: a scratch folder, the program, and how to start it on ranks.
set -euo pipefail
: "${QSWEEP_SOURCE_DIR:?}" "${QSWEEP_BINARY:?}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
demo=$QSWEEP_SOURCE_DIR/jobs/demo/demo.yaml
shared=${QSWEEP_SHARED_DATA:-$QSWEEP_SOURCE_DIR/../shared/data}

fail() { echo "FAILED: $*" >&2; exit 1; }
skip() { echo "skipped: $*" >&2; exit 77; }

. "$(dirname "${BASH_SOURCE[0]}")/start_ranks.sh"

# Result files hold results only: these must be equal for equal runs.
result_files=(pareto.csv pareto.json tradeoff.csv decision.json latency.csv report.html
  layer-sensitivity-report.md layer-sensitivity-report.json outputs/sweep_index.json outputs/per_class.csv)

same_results() {
  local file
  for file in "${result_files[@]}"; do
    cmp "$1/$file" "$2/$file" || fail "$file differs between $1 and $2"
  done
  cmp <(sed 's/,/\n/g' "$1/outputs/sweep_index.csv" | wc -l) <(sed 's/,/\n/g' "$2/outputs/sweep_index.csv" | wc -l) ||
    fail "sweep_index.csv has another shape"
}
