#!/bin/sh
# Certificates for one Dask cluster, good for a year: sh make-certificates.sh FOLDER
#
# FOLDER gets ca.pem, which says who is trusted, and survey.pem with survey.key, which every
# process of the cluster shows: scheduler, workers and the command `survey`. Whoever can read
# survey.key can run code on the cluster as you. Put the folder where all machines see it.
set -eu
umask 077
folder=${1:?usage: make-certificates.sh FOLDER}
mkdir -p "$folder"
cd "$folder"

new_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }

new_key ca.key
openssl req -x509 -new -key ca.key -days 365 -subj "/CN=survey cluster CA" -out ca.pem
new_key survey.key
openssl req -new -key survey.key -subj "/CN=survey cluster" -out survey.csr
openssl x509 -req -in survey.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 365 -out survey.pem
rm survey.csr ca.srl ca.key  # nobody else is to be let in with this CA
