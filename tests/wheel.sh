#!/usr/bin/env bash
# Build the wheel, install it in a clean environment, and run a small main job there from an empty folder: on local
# processes and in a Flower simulation, with one result.
# Usage: bash tests/wheel.sh PYTHON, where PYTHON has the packages build and hatchling.
set -euo pipefail
python=$(realpath --no-symlinks "${1:?usage: bash tests/wheel.sh PYTHON}")
cd "$(dirname "$0")/.."
unset PYTHONPATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1

"$python" -m build --wheel --no-isolation --outdir "$work" . >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
wheel=$(echo "$work"/*.whl)

"$python" - "$wheel" <<'CHECK'
import sys, zipfile
names = zipfile.ZipFile(sys.argv[1]).namelist()
tops = {name.split("/")[0] for name in names}
packages = {top for top in tops if not top.endswith(".dist-info")}
assert packages == {"fedkd", "fedkd_compression"}, packages
for needed in ("fedkd/configs/config.yaml", "fedkd/configs/algorithm/mcm.yaml", "fedkd/records/report.html.j2",
               "fedkd/optimizers/learned/client.safetensors", "fedkd/optimizers/learned/server.safetensors",
               "fedkd/flower/app/pyproject.toml", "fedkd/flower/app/server_app.py", "fedkd/flower/app/client_app.py",
               "fedkd_compression/py.typed", "fedkd_compression/bench/updates.npz", "fedkd_compression/bench/page.html"):
    assert needed in names, f"{needed} is missing"
unwanted = [name for name in names if "test_" in name or "__pycache__" in name or name.endswith(".pyc")]
assert not unwanted, unwanted
CHECK

"$python" -m venv "$work/env"
pip=("$work/env/bin/python" -m pip install --quiet --constraint constraints.txt)
# torch comes first: with it installed, later packages do not fetch another build of it.
"${pip[@]}" torch
"${pip[@]}" "$wheel[data,report,flower]"

mkdir "$work/empty"
cd "$work/empty"
small=(rounds=2 threads=1 data=digits data.samples=200 data.public=200 data.test=100 'model.hidden=[8]' teacher.epochs=1
    teacher.threads=1 'teacher.model.channels=[4]' teacher.model.hidden=8 teacher.model.groups=2)
"$work/env/bin/fedkd" name=main clients=4 "${small[@]}"
"$work/env/bin/flower-simulation" name=flower num_supernodes=4 "${small[@]}"
sha256() { grep '"model_sha256"' "runs/$1/manifest.json"; }
test "$(sha256 main)" = "$(sha256 flower)" || { echo "Flower gave another model"; exit 1; }
for file in manifest.json metrics.jsonl model.safetensors checkpoints/000002.json config.yaml report.html; do
    test -s "runs/main/$file" || { echo "runs/main/$file is missing"; exit 1; }
done
test "$(wc -l <runs/main/metrics.jsonl)" -eq 2
if "$work/env/bin/fedkd" algoritm=mcm 2>"$work/mistake"; then echo "a mistake was let through"; exit 1; fi
grep -q 'did you mean algorithm?' "$work/mistake"
echo "1 passed, 0 failed"
