# Ours: checkpoint, images and the folder for results are $1, $2 and $3.
set -e
compress prune "$1" --arch cifar:resnet20 --preprocess imagenet --input-size 32 --data "$2" --target-macs 0.5 --epochs 1 -o "$3/slim.safetensors"
compress export "$3/slim.safetensors" --export-batch 1 -o "$3/bundle"
