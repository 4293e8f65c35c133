#!/usr/bin/env bash
# Everything that waits for a GPU, in one call of at most nine minutes: benchmarks/gpu_queue.sh OUT [CIFAR_DIR]
#
# Writes JSON rows and logs to OUT; commit the rows to benchmarks/results/. Each part has its own time limit and its
# own exit code in OUT/queue.txt, so that one failure does not cost the rest. Long runs resume from OUT's state.
set -u
out=${1:?usage: gpu_queue.sh OUT [CIFAR_DIR]}
data=${2:-}
mkdir -p "$out"
part() { # NAME SECONDS COMMAND...
    local name=$1 limit=$2 begin=$SECONDS
    shift 2
    timeout -k 5 "$limit" "$@" >"$out/$name.log" 2>&1
    echo "$name: exit $?, $((SECONDS - begin)) s" | tee -a "$out/queue.txt"
    tail -n 3 "$out/$name.log"
}
python -c 'import torch; print(torch.__version__, torch.cuda.get_device_name(0))' | tee "$out/queue.txt"
part tests-oldest 150 python -m pytest -q -n 12 --maxfail=20
part tests-gpu 60 python -m pytest -q -m gpu
part throughput 90 python -m benchmarks.throughput --device cuda:0 --output "$out"
if python -c 'import onnxruntime as o, sys; sys.exit("CUDAExecutionProvider" not in o.get_available_providers())'; then
    part latency 120 python -m benchmarks.latency --provider cuda --batches 1 8 64 --output "$out"
else
    echo "latency: onnxruntime has no CUDA provider here; install onnxruntime-gpu first" | tee -a "$out/queue.txt"
fi
if [ -n "$data" ]; then
    part release 150 python -m cli release "$CHECKPOINT" --arch cifar:resnet20 --preprocess imagenet --data "$data" \
        --ratio 0.5 --control --policy benchmarks/policies/cifar-resnet20.toml --device cuda:0 --output "$out/exports" \
        --work-dir "$out/state"
fi
