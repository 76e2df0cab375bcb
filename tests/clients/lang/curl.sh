#!/bin/sh
# The curl tool, one request after another, then two at once (-Z), then three URLs of one request (--parallel). Usage: curl.sh BASE_URL
set -e
cd "$(dirname "$0")"
python=/usr/bin/python3
i=0
while [ $i -lt 4 ]; do
    path=$($python -c "import json,sys; print(json.load(open('bodies.json'))[$i][0])")
    $python -c "import json,sys; sys.stdout.write(json.dumps(json.load(open('bodies.json'))[$i][1]))" |
        curl -sS -N "$1$path" -H 'Content-Type: application/json' -H 'Authorization: Bearer sk-test-planted-secret' --data-binary @-
    i=$((i + 1))
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
$python -c "import json,sys; sys.stdout.write(json.dumps(json.load(open('bodies.json'))[0][1]))" >"$dir/body"
curl -sS --no-progress-meter -Z -o "$dir/a" "$1/v1/chat/completions" -d "@$dir/body" --next -sS -o "$dir/b" "$1/v1/chat/completions" -d "@$dir/body"
cat "$dir/a" "$dir/b"
url=$1/v1/chat/completions
curl -sS --no-progress-meter --parallel --parallel-max 2 -d "@$dir/body" -o "$dir/1" "$url" -o "$dir/2" "$url" -o "$dir/3" "$url"
cat "$dir/1" "$dir/2" "$dir/3"
curl -sS --no-progress-meter -Z "$1/v1/models" -o "$dir/c"
cat "$dir/c"
