# The ranks function alone, for a shell of its own process group.
ranks() {
  local n=$1
  shift
  local root=()
  if [ "$(id -u)" -eq 0 ]; then root=(--allow-run-as-root); fi
  mpirun "${root[@]}" --oversubscribe --bind-to none -n "$n" "$@"
}
