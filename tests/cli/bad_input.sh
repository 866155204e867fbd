#!/usr/bin/env bash
# Bad input through the program itself: exit code and message of every case in bad_input.txt.
#   tests/cli/bad_input.sh --update      writes the messages as they are now into bad_input.txt
. "$(dirname "$0")/../e2e/common.sh"
cases=$QSWEEP_SOURCE_DIR/tests/cli/bad_input.txt

cp "$QSWEEP_SOURCE_DIR"/jobs/demo/{demo_cnn.onnx,demo_cnn.yaml,demo.yaml,eval.bin,train.bin} "$scratch"
cd "$scratch"
for model in cut empty text weight operators; do cp demo_cnn.yaml $model.yaml; done
cp demo_cnn.onnx nocard.onnx
head -c 20000 demo_cnn.onnx >cut.onnx
: >empty.onnx
echo "no model" >text.onnx
# The same bytes with another meaning: two operators renamed (equal length), one weight made NaN.
sed -e 's/BatchNormalization/BatchFrobnication1/' demo_cnn.onnx >operators.onnx
cp demo_cnn.onnx weight.onnx
tensor=$(grep -abo 'stem.conv.weightJ' demo_cnn.onnx | head -1 | cut -d: -f1)
printf '\x00\x00\xc0\x7f' | dd of=weight.onnx bs=1 seek=$((tensor + 19)) conv=notrunc status=none
head -c 5000 eval.bin >cut.bin
printf 'model: [\n' >broken.yaml
printf 'model: demo_cnn.onnx\ntask: astrology\n' >task.yaml

{ cat demo.yaml; printf -- '---\nseed: 2\n'; } >two.yaml

: >now.txt
while IFS= read -r line; do
  [[ $line == '$ '* ]] || continue
  code=0
  eval "timeout 60 \"\$QSWEEP_BINARY\" ${line#\$ qsweep}" >out.txt 2>err.txt </dev/null || code=$?
  # Progress lines come before the message, paths of the scratch folder differ.
  { echo "$line"; echo "[$code]"; sed -n '/^qsweep: /,$p' err.txt | sed "s#$scratch/##g"; echo; } >>now.txt
  [ "$code" -ne 0 ] || fail "accepted: $line"
  [ ! -s out.txt ] || fail "results on stdout of: $line"
done <"$cases"

if [ "${1:-}" = --update ]; then cp now.txt "$cases"; exit 0; fi
diff -u "$cases" now.txt || fail "messages changed (see above); tests/cli/bad_input.sh --update accepts them"
