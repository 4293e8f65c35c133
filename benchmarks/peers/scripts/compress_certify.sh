# Ours: slim checkpoint, images, folder for results and battery are $1, $2, $3 and $4.
compress certify "$1" --data "$2" --threat linf:1/255 --battery "$4" -o "$3/certificate.json"
