#!/usr/bin/env bash
# Published models on real CIFAR-10 images: the counts that ONNX Runtime gives, exactly.
. "$(dirname "$0")/common.sh"
[ -d "$shared/models" ] || skip "real models and images ($shared is not there)"
while read -r model correct; do
  "$QSWEEP_BINARY" eval "$shared/models/$model.onnx" --data "cifar10:$shared/cifar10/test_1017.bin" --json >"$scratch/$model.json" 2>/dev/null
  grep -q "\"top1_correct\": $correct," "$scratch/$model.json" || fail "$model: expected $correct of 1017: $(cat "$scratch/$model.json")"
  echo "$model $correct/1017"
done <<'LIST'
resnet8_cifar10 895
resnet20_cifar10 932
resnet56_cifar10 943
vit_cifar10 721
LIST
"$QSWEEP_BINARY" eval "$shared/models/vww_mobilenetv1_96_nchw.onnx" --data "images:$shared/coco/vww_val2017_128.txt" --json >"$scratch/vww.json" 2>/dev/null
grep -q '"top1_correct": 110,' "$scratch/vww.json" || fail "MobileNet on JPEG pictures: expected 110 of 128: $(cat "$scratch/vww.json")"
# INT8 min-max lands where ONNX Runtime's does (892 per channel), within two images' noise of accumulation order.
"$QSWEEP_BINARY" eval "$shared/models/resnet8_cifar10.onnx" --data "cifar10:$shared/cifar10/test_1017.bin" --scheme '*=W8A8' \
  --calib "cifar10:$shared/cifar10/train_4000.bin" --json >"$scratch/int8.json" 2>/dev/null
correct=$(sed -n 's/.*"top1_correct": \([0-9]*\),.*/\1/p' "$scratch/int8.json")
[ "$correct" -ge 880 ] && [ "$correct" -le 905 ] || fail "ResNet-8 W8A8: $correct of 1017"
