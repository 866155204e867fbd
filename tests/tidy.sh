#!/usr/bin/env bash
# Runs clang-tidy with the repository's .clang-tidy. A file that was clean is not read again until it, a header that it
# includes or .clang-tidy changes (build/tidy/clean keeps their hashes).
#   tests/tidy.sh             the files of a change: all that differs from the commit QSWEEP_TIDY_BASE (the one before
#                             the last), uncommitted files too. Of a changed header one file that includes it is read.
#   tests/tidy.sh --all       the whole tree
#   tests/tidy.sh FILE...     these files; of a folder all its files
# Most changed files come first. After QSWEEP_TIDY_SECONDS (300 for a change, else no limit) no new file is begun, and
# those left out are named. Exit code 0: no finding; 1: findings; 2: cannot run.
set -euo pipefail
cd "$(dirname "$0")/.."
build=build/tidy
folders=(src io ranks sweep tests bench)
seconds=${QSWEEP_TIDY_SECONDS:-300}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$build/clean"

# What each file includes of ours, itself among them: one line `file include include ...`.
{ find "${folders[@]}" -name '*.cc' -o -name '*.h' | sed 's/$/ /'
  grep -rHoP --include='*.cc' --include='*.h' '^ *#include "\K[^"]+' "${folders[@]}" | tr ':' ' '
} | awk '
  NF == 1 { known[$1] = 1 }
  NF == 2 { direct[$1] = direct[$1] " " $2 }
  function visit(file, from,   part, n, i) {
    if (seen[from, file] || !(file in known)) return
    seen[from, file] = 1
    all = all " " file
    n = split(direct[file], part, " ")
    for (i = 1; i <= n; ++i) visit(part[i], from)
  }
  END { for (file in known) { all = ""; visit(file, file); print substr(all, 2) } }' | sort >"$work/includes"

# The files to read, most important first, in $work/files.
case ${1:-} in
  --all)
    seconds=${QSWEEP_TIDY_SECONDS:-}
    find "${folders[@]}" -name '*.cc' | sort >"$work/files" ;;
  '')
    base=${QSWEEP_TIDY_BASE:-HEAD^}
    git rev-parse --verify --quiet "$base^{commit}" >/dev/null ||
      { echo "tidy.sh: skipped: there is no commit $base to compare with (set QSWEEP_TIDY_BASE)"; exit 0; }
    { git diff --numstat --no-renames --diff-filter=d "$base" -- "${folders[@]}"
      git ls-files --others --exclude-standard -- "${folders[@]}" | xargs -r wc -l | awk '{ print $1, 0, $2 }'
    } | awk '$3 ~ /\.(cc|h)$/ { print $1 + $2, $3 }' | sort -k1,1nr -k2 | cut -d' ' -f2 >"$work/changed"
    # A changed header is read with a changed file that includes it, else with the one of its own name, else with the
    # one that includes the fewest others.
    awk -v changed="$work/changed" '
      FILENAME == changed { if (/\.cc$/) { chosen[$1] = 1; order[++n] = $1 } else header[++headers] = $1; next }
      $1 ~ /\.cc$/ { for (i = 2; i <= NF; ++i) { users[$i] = users[$i] " " $1; size[$1] = NF } }
      END {
        for (h = 1; h <= headers; ++h) {
          own = header[h]; sub(/\.h$/, ".cc", own)
          best = ""
          count = split(users[header[h]], user, " ")
          for (i = 1; i <= count; ++i) {
            if (chosen[user[i]]) { best = ""; break }
            if (best == "" || user[i] == own || (best != own && size[user[i]] < size[best])) best = user[i]
          }
          if (count == 0) print header[h] >"/dev/stderr"
          if (best != "") { chosen[best] = 1; order[++n] = best }
        }
        for (i = 1; i <= n; ++i) print order[i]
      }' "$work/changed" "$work/includes" >"$work/files" 2>"$work/unread"
    sed 's/^/tidy.sh: skipped: no file includes /' "$work/unread"
    if git diff --quiet "$base" -- .clang-tidy; then :; else
      echo "tidy.sh: .clang-tidy has changed: tests/tidy.sh --all tells whether the whole tree is clean"
    fi ;;
  *)
    seconds=${QSWEEP_TIDY_SECONDS:-}
    for path in "$@"; do find "$path" -name '*.cc' | sort; done >"$work/files" ;;
esac

# Clang's compile commands; without fuzzers' and benchmarks' options their files would have none.
cmake -S . -B "$build" -G Ninja -DCMAKE_CXX_COMPILER=clang++-14 -DQSWEEP_TESTS=ON -DQSWEEP_BENCH=ON -DQSWEEP_FUZZ=ON \
  >"$work/cmake" 2>&1 || { cat "$work/cmake"; exit 2; }
grep -oP '^ *"file": "\K[^"]+' "$build/compile_commands.json" | sed "s|^$PWD/||" | sort -u >"$work/compiled"
grep -vxFf "$work/compiled" "$work/files" | sed 's/^/tidy.sh: skipped: not compiled here: /' || true
grep -xFf "$work/compiled" "$work/files" >"$work/compiled_files" || true

check() {
  local file=$1 key
  key=$( (clang-tidy-14 --version; cat .clang-tidy; grep "^$file " "$work/includes" | tr ' ' '\n' | xargs cat) |
    sha256sum | cut -d' ' -f1)
  if [ -e "$build/clean/$key" ]; then echo "$file" >>"$work/known"; return; fi
  if [ -n "$deadline" ] && [ "$EPOCHSECONDS" -ge "$deadline" ]; then echo "$file" >>"$work/left"; return; fi
  if clang-tidy-14 -p "$build" --quiet "$file" >"$work/$key" 2>"$work/$key.err"; then
    touch "$build/clean/$key"
    echo "$file" >>"$work/clean"
  else
    # The summary lines on stderr say nothing new; an error of the tool itself does.
    { cat "$work/$key"; grep -vE '^[0-9]+ warnings|^Suppressed|^Use -header|treated as error' "$work/$key.err" || true; }
    echo "$file" >>"$work/found"
  fi
}
deadline=${seconds:+$((EPOCHSECONDS + seconds))}
export -f check
export work build deadline
touch "$work"/{known,left,clean,found}
xargs -r -P "${QSWEEP_TIDY_JOBS:-$(nproc)}" -I{} bash -c 'check {}' <"$work/compiled_files"

count() { wc -l <"$work/$1"; }
if [ -s "$work/left" ]; then
  sed 's/^/tidy.sh: skipped: out of time ('"$seconds"' s): /' "$work/left"
fi
echo "tidy.sh: $(count found) files with findings, $(count clean) clean, $(count known) known to be clean," \
  "$(count left) left out"
[ ! -s "$work/found" ]
