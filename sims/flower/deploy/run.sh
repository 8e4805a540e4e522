#!/usr/bin/env bash
# run.sh FOLDER NAME [OVERRIDE ...]: a run with these overrides, left in FOLDER/runs/NAME; or NAME goes on: resume=runs/NAME.
source "$(dirname "$0")/environment.sh"
need 2 "$0" "$@"
here="$(dirname "$(realpath "$0")")"
folder="$(realpath "$1")" name="$2"
shift 2
export FLWR_HOME="$folder/flwr"
case " $* " in
*" resume="*) overrides="$*" ;;
*) overrides="name=$name $*" ;;
esac
# Ctrl-C leaves flwr first, and then this script; the run itself goes on while its SuperLink does.
trap 'exit 130' INT TERM
say "flwr run: $overrides"
# flwr tells nothing of how a run ended, and may lose sight of it: the run's folder tells.
flwr run "$here/.." --stream --run-config "overrides='$overrides'" || say "flwr run ended with code $?"
exec "$PYTHON" "$here/outcome.py" "$folder/runs/$name"
