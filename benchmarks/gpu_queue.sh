#!/usr/bin/env bash
# Everything that waits for a GPU, in one call of at most nine minutes:
#
#     benchmarks/gpu_queue.sh OUT [CIFAR_DIR CHECKPOINT [SHARED_DATA_DIR]]
#     PARTS="latency torch" benchmarks/gpu_queue.sh OUT ...        # only these: doctor latency torch tests-gpu
#                                                     # throughput tests resnet56 battery paper release
#
# Writes JSON rows and logs to OUT; commit the rows to benchmarks/results/ and run `make bench-page`. Each part has its
# own time limit and its own exit code in OUT/queue.txt, so that one failure does not cost the rest. What was measured
# before a limit is kept; together the limits are more than nine minutes, and the last parts get what is left.
set -u
out=${1:?usage: gpu_queue.sh OUT [CIFAR_DIR CHECKPOINT [SHARED_DATA_DIR]]}
mkdir -p "$out"
budget=530
part() { # NAME SECONDS COMMAND...
    local name=$1 limit=$2 begin=$SECONDS
    shift 2
    [[ " ${PARTS:-$name} " == *" $name "* ]] || return 0
    limit=$((limit < budget - SECONDS ? limit : budget - SECONDS))
    if ((limit < 10)); then
        echo "$name: left out, the nine minutes are over" | tee -a "$out/queue.txt"
        return 0
    fi
    timeout -k 5 "$limit" "$@" >"$out/$name.log" 2>&1
    echo "$name: exit $?, $((SECONDS - begin)) s" | tee -a "$out/queue.txt"
    tail -n 12 "$out/$name.log"
}
python3 -c 'import torch; print(torch.__version__, torch.cuda.get_device_name(0))' | tee "$out/queue.txt"
# Whether the provider really loads, with the reason and the fix where it does not.
part doctor 40 python3 -m cli doctor
models="torchvision:resnet50 torchvision:mobilenet_v2"
part latency 230 python3 -m benchmarks.latency --provider cuda --batches 1 8 64 --precisions fp32 fp16 --graphs \
    --models $models --output "$out"
part torch 90 python3 -m benchmarks.latency_torch --device cuda --batches 1 8 64 --precisions fp32 fp16 \
    --models $models --output "$out"
part tests-gpu 60 python3 -m pytest -q -m gpu --tb=short -p no:cacheprovider
part throughput 60 python3 -m benchmarks.throughput --device cuda:0 --output "$out"
OMP_NUM_THREADS=1 part tests 140 python3 -m pytest -q -n 14 --maxfail=30 --tb=line -p no:cacheprovider -p no:benchmark
if [ $# -ge 4 ]; then
    # 60 epochs of four networks take several calls: give the OUT of the call before as STATE, and it goes on there.
    mkdir -p "$out/resnet56-state"
    [ -z "${STATE:-}" ] || cp -r "$STATE/." "$out/resnet56-state"
    part resnet56 400 python3 -m benchmarks.resnet56 --device cuda:0 --seconds 380 --cifar "$2" --shared "$4" \
        --state "$out/resnet56-state" --output "$out"
    part battery 150 python3 -m benchmarks.battery resnet --num-images 500 --device cuda:0 --shared "$4" --cifar "$2" \
        --work /tmp/compress-battery
    cp benchmarks/results/battery/resnet20-*.json "$out" 2>/dev/null
    # The grid of the paper takes hours: give OUT/paper of the call before as PAPER, and it goes on there.
    mkdir -p "$out/paper"
    [ -z "${PAPER:-}" ] || cp -r "$PAPER/." "$out/paper"
    part paper 400 python3 -m benchmarks.paper --form gpu --budget 6.3 --device cuda:0 --cifar "$2" --shared "$4" \
        --state "$out/paper/work" --output "$out/paper"
fi
if [ $# -ge 3 ]; then
    part release 170 python3 -m cli release "$3" --arch cifar:resnet20 --preprocess imagenet --data "$2" --ratio 0.5 \
        --control --policy benchmarks/policies/cifar-resnet20.toml --device cuda:0 --output /tmp/exports \
        --work-dir /tmp/compress-state
    cp /tmp/exports/*/certificate.json /tmp/exports/*/history.json "$out" 2>/dev/null
    cp /tmp/exports/rejected/*/certificate.json /tmp/exports/rejected/*/history.json "$out" 2>/dev/null
fi
