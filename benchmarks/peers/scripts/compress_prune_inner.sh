# Ours, the shortcuts' channels kept, as the other tools leave them: checkpoint, images and the folder are $1, $2 and $3.
set -e
compress prune "$1" --arch cifar:resnet20 --preprocess imagenet --input-size 32 --data "$2" --target-macs 0.5 --keep conv1 --keep 'layer*.conv2' --epochs 1 -o "$3/slim.safetensors"
compress export "$3/slim.safetensors" --export-batch 1 -o "$3/bundle"
