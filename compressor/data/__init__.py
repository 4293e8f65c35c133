"""Images in [0, 1] with labels, from a spec string, in roles.

`open_data` takes what stands behind `--data` and returns train, select and test images. Each form of spec has its own
file. Image files are decoded when they are read; normalisation happens inside the model (`Normalised`), never here.
"""

from compressor.data.images import Data, ImageSet, digest_of_images, duplicates_with, stratified
from compressor.data.preprocess import Normalised, Preprocess, parse_preprocess
from compressor.data.spec import open_data

__all__ = [
    "Data",
    "ImageSet",
    "Normalised",
    "Preprocess",
    "digest_of_images",
    "duplicates_with",
    "open_data",
    "parse_preprocess",
    "stratified",
]
